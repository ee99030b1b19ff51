# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what is new of one kind of row, once for all clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from collector.log import LOGGER
from collector.moment import from_us, to_us
from webapi.context import Context
from webapi.database import fetch
from webapi.errors import ApiError
from webapi.live import statement
from webapi.live.event import block, position
from webapi.live.group import Filters, Group
from webapi.live.listener import Listener
from webapi.live.position import EventId, Position, Snapshot, after
from webapi.live.statement import Asked
from webapi.names.aliases import Aliases
from webapi.names.resolver import Resolver
from webapi.subject import Subject

INTERVAL_S: Final = 1.0
RESUME_S: Final = 60.0
"""A client that comes again within this time misses nothing."""
MAX_RESUMED: Final = 5000
"""Most rows for such a client; it is told how many there were beyond."""
KEEP_ALIVE_S: Final = 15.0
_US: Final = 1_000_000


class _Read(NamedTuple):
    """What one statement has given."""

    rows: list[list[DictRow]]
    """For each that was asked."""
    found: list[int]
    """How many there were, the shown ones included."""
    snapshot: Snapshot
    writers: tuple[int, ...]


class _Resumed(NamedTuple):
    """What a client that comes again has missed."""

    at: EventId
    group: Group
    read: _Read

    def blocks(self, ended: EventId, resolver: Resolver) -> list[bytes]:
        """Its events."""
        begun = EventId(self.at.position, self.read.writers)
        return self.group.blocks(self.read.rows[0], self.read.found[0], begun, ended, resolver)


class Poller:
    """Runs while there are clients."""

    def __init__(self, context: Context, subject: Subject, aliases: Aliases) -> None:
        self._context = context
        self._aliases = aliases
        self._subject = subject
        self._rows_per_s = context.settings.web.live_max_rows
        self._listeners: set[Listener] = set()
        self._groups: dict[Filters, Group] = {}
        self._position: Position | None = None
        self._polled = 0.0
        self._kept_alive = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> frozenset[Listener]:
        """The clients of now."""
        return frozenset(self._listeners)

    def join(self, listener: Listener) -> None:
        """From the next reading on the client is offered what is new."""
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def leave(self, listener: Listener) -> None:
        """The client has gone; with the last one the reading ends."""
        self._listeners.discard(listener)
        if not self._listeners and self._task is not None:
            task, self._task = self._task, None
            # Before anything is awaited: the next client may come meanwhile.
            self._position = None
            self._groups = {}
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._poll()
            except ApiError as error:
                self._tell_unavailable(error)
            except Exception as error:  # noqa: BLE001 (clients are told, and it goes on)
                LOGGER.exception("live stream of %s", self._subject.name)
                self._tell_unavailable(
                    ApiError(500, "internal", f"a fault: {type(error).__name__}")
                )
            # Half of the time at most is spent in the database.
            took = time.monotonic() - began
            await asyncio.sleep(max(INTERVAL_S - took, took))

    def _tell_unavailable(self, error: ApiError) -> None:
        told = block("unavailable", {"code": error.code, "message": str(error)})
        for listener in self._listeners:
            if listener.ready or not listener.told_unavailable:
                listener.offer(told)
                listener.ready, listener.told_unavailable = False, True

    async def _poll(self) -> None:
        now = time.monotonic()
        elapsed, self._polled = now - self._polled, now
        listeners = list(self._listeners)
        wanted = {listener.filters for listener in listeners}
        self._groups = {
            filters: self._groups.get(filters) or self._group(filters) for filters in wanted
        }
        groups = list(self._groups.values())
        moment = to_us(datetime.now(UTC))
        floor, gap = self._floor(moment)
        resolver = await self._aliases.resolver()
        async with self._context.connection() as connection, connection.transaction():
            await connection.execute(statement.PREPARE)
            begun = EventId(self._position or Position(0, (), floor, moment))
            # Without a position nothing is new yet; this is where it begins.
            asked = [group.asked(elapsed) for group in groups] if self._position else []
            read = await self._read(connection, self._position, floor, asked, begun)
            visible = {*read.writers, *begun.position.known}
            resumed: dict[Listener, _Resumed] = {}
            for listener in listeners:
                at = self._resumable(listener, moment, read.snapshot)
                if at is not None:
                    found = await self._catch_up(connection, listener, at, moment)
                    resumed[listener] = found
                    visible.update(found.read.writers, at.position.known)
        position_ = Position(*after(read.snapshot, visible), floor, moment)
        ended = EventId(position_)
        told: dict[Filters, list[bytes]] = {}
        if self._position:
            begun = EventId(self._position, read.writers)
            for group, rows, count in zip(groups, read.rows, read.found, strict=True):
                told[group.filters] = group.blocks(rows, count, begun, ended, resolver)
        self._position = position_
        for listener in listeners:
            if gap and listener.ready:
                listener.gap = gap
            listener.since = None
            blocks = told.get(listener.filters, [])
            if listener in resumed:
                blocks = resumed[listener].blocks(ended, resolver)
            self._offer(listener, blocks, ended.encode())
        self._keep_alive(listeners, ended.encode())

    def _group(self, filters: Filters, allowance: float = 0) -> Group:
        return Group(filters, self._rows_per_s, max(allowance, self._rows_per_s))

    def _floor(self, moment: int) -> tuple[int, str]:
        """From when on rows are looked at, µs, and why some may be missing.

        What was stored since the last reading was captured at most ``web.live_lookback`` before
        that. After an outage what had to wait is stored by and by: the floor then rises twice as
        fast as time goes on, until it is where it should be.
        """
        lookback = int(self._context.settings.web.live_lookback * _US)
        last = self._position
        if last is None:
            return moment - lookback, ""
        risen = last.floor_us + 2 * min(moment - last.at_us, int(2 * INTERVAL_S * _US))
        floor = min(last.at_us - lookback, risen)
        lowest = moment - lookback - int(RESUME_S * _US)
        if floor < lowest:
            return lowest, f"nothing could be read for more than {RESUME_S:.0f} s"
        return floor, ""

    def _resumable(self, listener: Listener, moment: int, now: Snapshot) -> EventId | None:
        """Where a client that comes again goes on; its ``gap`` says why it cannot."""
        at = listener.since
        if at is None:
            return None
        if not moment - RESUME_S * _US <= at.position.at_us <= moment:
            listener.gap = f"Last-Event-ID is older than {RESUME_S:.0f} s"
        elif at.position.first > now.next:
            listener.gap = "Last-Event-ID is of another database"
        else:
            return at
        return None

    async def _catch_up(
        self, connection: AsyncConnection[DictRow], listener: Listener, at: EventId, moment: int
    ) -> _Resumed:
        # No floor was ever lower.
        lookback = self._context.settings.web.live_lookback
        floor = max(at.position.at_us - int((lookback + RESUME_S) * _US), at.position.floor_us)
        away_s = (moment - at.position.at_us) / _US
        group = self._group(listener.filters, min(MAX_RESUMED, away_s * self._rows_per_s))
        read = await self._read(connection, at.position, floor, [group.asked(0)], at)
        return _Resumed(at, group, read)

    async def _read(
        self,
        connection: AsyncConnection[DictRow],
        since: Position | None,
        floor_us: int,
        asked: Sequence[Asked],
        at: EventId,
    ) -> _Read:
        query, values = statement.build(self._subject, since, from_us(floor_us), asked, at)
        timeout_s = self._context.settings.web.query_timeout
        found = await fetch(connection, query, values, timeout_s, prepare=False)
        read = _Read(
            [[] for _ in asked],
            [0] * len(asked),
            Snapshot.parse(found[0]["snapshot"]),
            tuple(int(writer) for writer in found[0]["writers"]),
        )
        for row in found:
            number = row.get("asked")
            if number is not None:
                read.rows[number].append({name: row[name] for name in self._subject.columns})
                read.found[number] = row["found"]
        return read

    def _offer(self, listener: Listener, blocks: list[bytes], id_: str) -> None:
        if listener.gap:
            listener.offer(block("gap", {"message": listener.gap}))
            listener.gap = ""
        for made in blocks:
            listener.offer(made)
        if not listener.ready:
            listener.ready, listener.told_unavailable = True, False
            listener.offer(block("ready", {}, id_))

    def _keep_alive(self, listeners: list[Listener], id_: str) -> None:
        now = time.monotonic()
        if now - self._kept_alive >= KEEP_ALIVE_S:
            self._kept_alive = now
            for listener in listeners:
                listener.offer(position(id_))
