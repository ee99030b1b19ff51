# SPDX-License-Identifier: GPL-2.0-or-later
"""Housekeeping of one capture node: sync, kernel drops, balance, partitions, counters.

Retention has a package of its own and is run from here.

Of all ingest processes that share a journal, one does it: whoever holds the journal's keeper lock.
What needs no database goes on while the database is away.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection, Error, sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from collector import (
    balance,
    cancellation,
    capture_loss,
    kernel,
    migrate,
    partitions,
    statistics,
)
from collector.admission import publication, refused
from collector.columns import TABLES
from collector.correlation import upkeep
from collector.errors import KemiscopeError
from collector.journal import segment
from collector.journal.counters import Counters
from collector.log import LOGGER, LimitedLog
from collector.output.status import Publisher
from collector.partitions import Partitions
from collector.peers import Peers
from collector.retention import thinning
from collector.retention.watch import Watch
from collector.settings import Settings
from collector.settings.endpoint import parse_endpoint

PUBLISH_INTERVAL_S: Final = 1.0
SUMMARIZE_INTERVAL_S: Final = 5.0
MAINTENANCE_INTERVAL_S: Final = 60.0
QUARANTINE_INTERVAL_S: Final = 2.0
"""Somebody who sends nothing but large garbage fills it fast."""
THINNING_INTERVAL_S: Final = 10.0
STATISTICS_INTERVAL_S: Final = 5.0
CALLS_INTERVAL_S: Final = 10.0
LOSS_INTERVAL_S: Final = 10.0
END_EARLY_INTERVAL_S: Final = 10.0
RETRY_S: Final = 5.0
"""What has failed is tried again after this at the latest: the schema may be there by then."""
_PROGRESS_KEPT: Final = timedelta(minutes=10)
_ENDED_SESSION_S: Final = 86_400.0
"""Progress outlives its segment: the unlink must have reached the disk before it goes."""


class Keeper:
    """Runs the housekeeping loops of one process until cancelled."""

    def __init__(
        self, settings: Settings, counters: Counters, pool: AsyncConnectionPool[AsyncConnection]
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._pool = pool
        self._journal = Path(settings.journal.directory)
        self._partitions = Partitions(settings.partition.interval)
        self._retention = Watch(settings, counters.journal_id)
        self._peers = Peers(settings.metrics.peers)
        self._outputs = Publisher(self._journal, counters)
        self._synced: dict[Path, int] = {}
        self._published: list[refused.Refused] | None = None
        self.is_keeper = False
        """Whether this process has the keeper lock."""
        self._limited = LimitedLog()

    def use(self, settings: Settings) -> None:
        """Go by other settings from the next round on; intervals and files stay as they are."""
        self._settings = settings
        self._retention.use(settings)

    async def run(self) -> None:
        """Wait until this process is the keeper, then keep house."""
        lock = await self._become_keeper()
        self.is_keeper = True
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._settings.journal.sync_interval:
                    tasks.create_task(self._sync_loop())
                tasks.create_task(self._drops_loop())
                tasks.create_task(self._every(PUBLISH_INTERVAL_S, self._publish))
                tasks.create_task(self._every(LOSS_INTERVAL_S, self._note_loss))
                tasks.create_task(self._every(SUMMARIZE_INTERVAL_S, self._summarize))
                tasks.create_task(self._every(MAINTENANCE_INTERVAL_S, self._maintain))
                tasks.create_task(self._every(QUARANTINE_INTERVAL_S, self._trim_quarantine))
                if self._settings.correlation.calls:
                    tasks.create_task(self._every(CALLS_INTERVAL_S, self._keep_calls))
                    tasks.create_task(self._every(STATISTICS_INTERVAL_S, self._count_calls))
                tasks.create_task(self._every(THINNING_INTERVAL_S, self._thin))
                tasks.create_task(self._every(lambda: self._retention.pause_s, self._retain))
                tasks.create_task(self._every(END_EARLY_INTERVAL_S, self._retention.end_early))
        finally:
            self.is_keeper = False
            os.close(lock)

    async def _become_keeper(self) -> int:
        lock = os.open(self._journal / "keeper.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            await asyncio.sleep(1)

    async def _every(
        self,
        interval_s: float | Callable[[], float],
        work: Callable[[AsyncConnection[TupleRow]], Awaitable[None]],
    ) -> None:
        name = work.__name__.strip("_")
        while True:
            longest_s = math.inf
            try:
                async with self._pool.connection() as connection:
                    await work(connection)
                self._limited.reset(name)
            except (Error, PoolTimeout, KemiscopeError) as error:
                self._limited.warn(name, f"{name}: {error}")
                longest_s = RETRY_S
            cancellation.honour()
            pause_s = interval_s() if callable(interval_s) else interval_s
            await asyncio.sleep(min(pause_s, longest_s))

    async def _sync_loop(self) -> None:
        while True:
            await asyncio.sleep(self._settings.journal.sync_interval)
            try:
                await asyncio.to_thread(self._sync)
            except OSError as error:
                self._limited.warn("sync", f"journal.directory: sync failed: {error}")

    def _sync(self) -> None:
        """Bring what was appended since the last call to the disk, from outside of the writers."""
        sizes: dict[Path, int] = {}
        for directory in segment.slot_directories(self._journal):
            for found in segment.in_slot(directory):
                with suppress(FileNotFoundError):
                    file = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        sizes[found.path] = os.fstat(file).st_size
                        if sizes[found.path] != self._synced.get(found.path):
                            os.fdatasync(file)
                    finally:
                        os.close(file)
        self._synced = sizes

    async def _drops_loop(self) -> None:
        endpoints = [parse_endpoint(listen) for listen in self._settings.hep.listen]
        while True:
            try:
                kernel.count_drops(self._counters.node, kernel.udp_sockets(endpoints))
            except (OSError, ValueError, IndexError) as error:
                self._limited.warn("drops", f"kernel drops cannot be read: {error}")
            await asyncio.sleep(PUBLISH_INTERVAL_S)

    async def _publish(self, connection: AsyncConnection[TupleRow]) -> None:
        await balance.publish(connection, self._counters, self._journal, self._settings.node.name)
        found = refused.read(self._journal)
        if found != self._published:
            await publication.publish(connection, self._counters.journal_id, found)
            self._published = found
        await self._outputs.publish(connection)

    async def _note_loss(self, connection: AsyncConnection[TupleRow]) -> None:
        await capture_loss.note(connection, self._counters, datetime.now(UTC))

    async def _summarize(self, connection: AsyncConnection[TupleRow]) -> None:
        """Keep the BRIN indexes up to the newest rows: searches read unsummarized pages whole."""
        now = datetime.now(UTC)
        for table in TABLES:
            async with connection.transaction():
                current = [
                    item.name
                    for item in await partitions.read(connection, table.name)
                    if item.begin <= now < item.end
                ]
            for name in (*current, partitions.default_of(table.name)):
                await connection.execute(
                    """
                    SELECT brin_summarize_new_values(indexrelid)
                      FROM pg_index
                      JOIN pg_class ON pg_class.oid = indexrelid
                      JOIN pg_am ON pg_am.oid = relam
                     WHERE indrelid = to_regclass(%s) AND amname = 'brin'
                    """,
                    (name,),
                )

    async def _retain(self, connection: AsyncConnection[TupleRow]) -> None:
        await self._retention.look(connection)

    async def _maintain(self, connection: AsyncConnection[TupleRow]) -> None:
        # While tables are made or changed nobody else may lock them, one after the other.
        await migrate.check(connection)
        now = datetime.now(UTC)
        self._partitions.forget()
        self._published = None  # in case somebody else has changed the table
        for made in await self._partitions.ensure_ahead(
            connection, now, self._settings.partition.ahead
        ):
            LOGGER.info("partition %s made", made.name)
        await self._drop_old_counters(connection, now)

    async def _keep_calls(self, connection: AsyncConnection[TupleRow]) -> None:
        await upkeep.keep(connection, self._settings, datetime.now(UTC))

    async def _thin(self, connection: AsyncConnection[TupleRow]) -> None:
        retention = self._settings.retention
        if retention.failed_only:
            await thinning.thin(connection, retention.failed_only, retention.failed_only_after)

    async def _count_calls(self, connection: AsyncConnection[TupleRow]) -> None:
        await statistics.refresh(connection, self._peers)

    async def _drop_old_counters(
        self, connection: AsyncConnection[TupleRow], now: datetime
    ) -> None:
        retention = self._settings.retention
        statistics_s = retention.statistics
        for table, column, kept_s in (
            ("stat_minute", "minute", statistics_s),
            ("call_minute", "minute", statistics_s),
            ("capture_loss", "minute", statistics_s),
            ("sender", "last_seen", statistics_s),
            ("capture_node", "heartbeat_at", statistics_s),
            ("retention_log", "dropped_at", statistics_s),
            ("trace_rule", "expires_at", retention.trace_rules),
            ("audit_log", "at", retention.audit),
            ("api_token", "expires_at", retention.audit),
            ("share_link", "expires_at", retention.audit),
            ("web_session", "expires_at", _ENDED_SESSION_S),
        ):
            if kept_s:
                await connection.execute(
                    sql.SQL("DELETE FROM {} WHERE {} < %s").format(
                        sql.Identifier(table), sql.Identifier(column)
                    ),
                    (now - timedelta(seconds=kept_s),),
                )
        present = [
            found.uid
            for directory in segment.slot_directories(self._journal)
            for found in segment.in_slot(directory)
        ]
        await asyncio.to_thread(self._sync_directories)
        await connection.execute(
            "DELETE FROM journal_progress"
            " WHERE journal_id = %s AND updated_at < %s AND segment <> ALL(%s)",
            (self._counters.journal_id, now - _PROGRESS_KEPT, present),
        )

    def _sync_directories(self) -> None:
        for directory in segment.slot_directories(self._journal):
            file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    async def _trim_quarantine(self, connection: AsyncConnection[TupleRow]) -> None:
        await connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - %s",
            (self._settings.retention.quarantine_messages,),
        )
