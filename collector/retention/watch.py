# SPDX-License-Identifier: GPL-2.0-or-later
"""Look, decide, drop; again and again, the more often the nearer a limit is.

What grows between two looks is kept free, so that a limit is not passed in between.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Error, errors
from psycopg.rows import TupleRow

from collector import partitions
from collector.log import LOGGER, LimitedLog
from collector.partitions import Partitions
from collector.retention import history, strays
from collector.retention.drop import drop, users_of
from collector.retention.limits import cutoffs, limits
from collector.retention.measure import Measured, measure
from collector.retention.pace import Pace
from collector.retention.plan import AGE, Drop, Limit, Plan, plan, splits
from collector.retention.relief import Relief
from collector.settings import Settings
from collector.tables import PARTITIONED

LONGEST_PAUSE_S: Final = 5.0
SHORTEST_PAUSE_S: Final = 0.5
LOOKS_AHEAD: Final = 4
"""So many looks are made before the growth reaches the next limit."""
LOOK_SHARE: Final = 0.05
"""Looks take at most this share of the time, however many partitions there are."""
DROPPING_S: Final = 10.0
"""A look drops for this long; what is left goes at the next one."""
BUSY_PER_LOOK: Final = 3
"""Each partition that somebody uses costs a moment of waiting."""
STRAYS_INTERVAL_S: Final = 60.0
STRAYS_BYTES: Final = 1 << 20
"""An empty default partition that is larger gives back what it occupies."""


class Look(NamedTuple):
    """What a look has found, and what follows from it."""

    measured: Measured
    limits: list[Limit]
    plan: Plan


class Watch:
    """Retention of one database as one capture node sees it."""

    def __init__(self, settings: Settings, journal_id: UUID) -> None:
        self._settings = settings
        self._journal_id = journal_id
        self._partitions = Partitions(settings.partition.interval)
        self._pace = Pace()
        self._relief = Relief()
        self._last: Look | None = None
        self._dropped = False
        self._unwatched = ""
        self._strays_due = 0.0
        self._limited = LimitedLog()
        self.pause_s = SHORTEST_PAUSE_S
        """Time until the next look is due."""

    def use(self, settings: Settings) -> None:
        """Go by other limits and ages from the next look on."""
        self._settings = settings

    async def look(self, connection: AsyncConnection[TupleRow]) -> Look:
        """Measure, decide, drop and write down.

        Raises what psycopg raises.
        """
        began = time.monotonic()
        look = await self.decide(connection)
        self._say(look)
        for item in await self._drop(connection, look.plan.drops):
            self._relief.dropped(item.part.device, item.part.octets, look.measured.at)
            self._dropped = True
        await history.save(
            connection, self._journal_id, look.measured, look.limits, look.plan.findings
        )
        if began >= self._strays_due:
            self._strays_due = began + STRAYS_INTERVAL_S
            await self._care_for_strays(connection, look)
            await history.forget_old(connection, look.measured.at)
        return look

    async def decide(self, connection: AsyncConnection[TupleRow]) -> Look:
        """Measure and decide; nothing is changed."""
        retention = self._settings.retention
        began = time.monotonic()
        measured = await measure(connection, retention.disk_path)
        took_s = time.monotonic() - began
        self._pace.learn(measured, dropped=self._dropped)
        self._dropped = False
        found = []
        findings = []
        for limit in limits(self._settings, measured, self._pace, self.pause_s):
            disk = next((item for item in measured.disks if item.device == limit.device), None)
            if disk:
                ours = sum(part.octets for part in measured.parts if limit.covers(part))
                drops, finding = self._relief.drops_allowed(
                    disk, ours, measured.at, exceeded=limit.used > limit.start
                )
                found.append(limit._replace(drops=drops))
                findings += [finding] if finding else []
            else:
                found.append(limit)
        decided = plan(
            *(measured.parts, found, measured.at),
            *(cutoffs(self._settings, measured.at), retention.precious),
        )
        self._last = Look(measured, found, Plan(decided.drops, findings + decided.findings))
        self.pause_s = self._next_pause(found, took_s)
        return self._last

    async def end_early(self, connection: AsyncConnection[TupleRow]) -> None:
        """End partitions that grow too large for the limits, as the last look has found them."""
        await partitions.remove_proofs(connection, time.time())
        if self._last is None:
            return
        measured, found, _ = self._last
        accept_future = timedelta(seconds=self._settings.clock.accept_future)
        for part, at, patience_s in splits(
            measured.parts, found, measured.at, self._pace.partitions(), accept_future
        ):
            self._last = None  # it speaks of partitions as they were
            try:
                rest = await partitions.end_early(
                    connection, part.table, part.partition, at, patience_s
                )
            except Error as error:
                self._limited.warn(part.table, f"{part.partition.name} not ended early: {error}")
            else:
                LOGGER.info("partition %s ends early; %s made", part.partition.name, rest.name)

    async def _drop(self, connection: AsyncConnection[TupleRow], drops: list[Drop]) -> list[Drop]:
        """Drop until it has taken long enough; returns what has gone."""
        deadline = time.monotonic() + DROPPING_S
        busy = 0
        gone = []
        for item in drops:
            name = item.part.partition.name
            if time.monotonic() > deadline or busy >= BUSY_PER_LOOK:
                break
            try:
                await drop(connection, item.part, item.reason, self._settings.node.name)
            except errors.LockNotAvailable:
                busy += 1
                users = await users_of(connection, name) or "somebody"
                self._limited.warn(name, f"{name} cannot be dropped: {users} uses it")
            else:
                gone.append(item)
        return gone

    async def _care_for_strays(self, connection: AsyncConnection[TupleRow], look: Look) -> None:
        ages = cutoffs(self._settings, look.measured.at)
        for table in PARTITIONED:
            rows = await partitions.default_rows(connection, table.name)
            if rows:
                text = f"{rows} rows or more are in {table.name}_default: no partition was ready"
                self._limited.warn(table.name, text)
            try:
                if rows and table.kind in ages:
                    await strays.delete_old(
                        *(connection, table.name, table.kind, ages[table.kind], AGE),
                        self._settings.node.name,
                    )
                if rows and not look.plan.drops:
                    await strays.settle(connection, table.name, self._partitions)
                if any(
                    part.is_default and part.table == table.name and part.octets > STRAYS_BYTES
                    for part in look.measured.parts
                ):
                    await strays.give_back(connection, table.name)
            except errors.LockNotAvailable as error:
                self._limited.warn(f"{table.name} strays", f"{table.name}_default: {error}")

    def _say(self, look: Look) -> None:
        for finding in look.plan.findings:
            self._limited.warn(finding.partition(":")[0], finding)
        unwatched = look.measured.unwatched if self._settings.retention.max_disk_percent else ""
        if unwatched != self._unwatched:
            self._unwatched = unwatched
            if unwatched:
                LOGGER.warning("retention.max_disk_percent does not work: %s", unwatched)

    def _next_pause(self, found: list[Limit], took_s: float) -> float:
        """The sooner, the sooner the growth reaches a limit."""
        pause = LONGEST_PAUSE_S
        for limit in found:
            rate = self._pace.octets if limit.device is None else self._pace.disk(limit.device)
            if rate:
                pause = min(pause, max(0, limit.start - limit.used) / rate / LOOKS_AHEAD)
        return max(pause, SHORTEST_PAUSE_S, took_s / LOOK_SHARE)
