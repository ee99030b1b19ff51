# SPDX-License-Identifier: GPL-2.0-or-later
"""From the journal to PostgreSQL, for ever: read, decode, COPY, commit, delete.

The path of an ordinary second and the path after an outage are the same: read the progress from
the database, go on from there.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from collector import hop, migrate
from collector.causes import Cause
from collector.columns import TABLES
from collector.correlation.correlator import Correlator
from collector.errors import KemiscopeError, ProgressConflictError, SchemaError
from collector.hop import Batch, Refused
from collector.hop.form import PLAIN
from collector.hop_options import options
from collector.journal import record
from collector.journal.counters import Counters, Field, NodeField, Role, claim_slot
from collector.journal.reader import Claim, Reader
from collector.journal.share import Share
from collector.keeper import Keeper
from collector.log import LOGGER, LimitedLog, one_line
from collector.moment import from_us
from collector.partitions import Partitions
from collector.pool import make_pool
from collector.portion import Outcome, Portion
from collector.priority import give_way
from collector.reload import Answer, leave, withdraw
from collector.selection import Selection
from collector.settings import Settings
from collector.settings import load as load_settings
from collector.settings.change import change
from collector.sqlstate import blames_row
from collector.store import Step, Store
from collector.watchdog import beat

READ_BYTES: Final = 4 << 20
"""Read from one segment at a time."""
MAX_REFUSED_PER_BATCH: Final = 100
"""Rejected packets of one transaction that go to the quarantine; all are counted."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
"""Pause after a failure of the database: doubled up to the longest, with jitter."""
DRAIN_S: Final = 5.0
"""A stop waits this long for the transaction under way; the rest stays in the journal."""
PAUSED_LOOK_S: Final = 0.2
"""How often a paused process looks whether it may go on."""

_GC_THRESHOLDS: Final = (50_000, 20, 50)


class Ingest:
    """One ingest process."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings] = load_settings) -> None:
        """Claim a slot in the journal; ``reload`` reads the settings again after SIGHUP.

        Raises JournalError if the journal cannot be used, SettingsError for a bad setting.
        """
        self.settings = self._started = settings  # those in force, those at the start
        self._reload = reload
        self._keeper: Keeper | None = None
        self._selection = Selection(settings)
        self._selection.open()
        self._journal = journal = Path(settings.journal.directory)
        self._counters = Counters(journal)
        self._process, self._lock = claim_slot(self._counters, journal, Role.INGEST, time.time_ns())
        self._slot = self._counters.slot(self._process)
        self._slot[Field.STORE_DOWN_SINCE] = time.time_ns()
        self._slot[Field.PLAIN_HOP] = int(hop.FORM.name == PLAIN)
        self._reader = Reader(journal, self._counters)
        self._share = Share(journal, self._counters, self._process)
        self._correlator = Correlator(settings)
        self._store = Store(
            self._counters.journal_id, self._process, correlates=self._correlator.enabled
        )
        self._partitions = Partitions(settings.partition.interval)
        self._hook_faults = self._slot[Field.HOOK_FAULTS]
        self._calls_refused = self._slot[Field.CALLS_REFUSED]
        self._use(settings, self._selection)
        self._limit = settings.ingest.batch_messages
        self._suspect = 0
        self._limited = LimitedLog()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End ``run`` after the transaction under way."""
        self._stop.set()

    def reload(self) -> None:
        """Read the settings again and put into force what ``settings.change`` says.

        Settings with a mistake change nothing. The answer is logged, and left for who has asked.
        """
        try:
            found = change(self._started, self.settings, self._reload())
            selection = Selection(found.in_force)
            selection.open()
        except (KemiscopeError, OSError) as error:
            answer = Answer(time.time_ns(), one_line(str(error)))
        else:
            self._hook_faults += self._selection.hook_faults
            self._selection.close()
            self._use(found.in_force, selection)
            answer = Answer.to(found)
            LOGGER.info("settings read again")
        for line in answer.lines():
            LOGGER.warning("reload: %s", line)
        try:
            leave(self._journal, self._process, answer)
        except OSError as error:
            LOGGER.error("reload: no answer can be left: %s", error)

    def _use(self, settings: Settings, selection: Selection) -> None:
        self.settings = settings
        self._selection = selection
        if self._keeper:
            self._keeper.use(settings)
        self._options = options(settings, selection, MAX_REFUSED_PER_BATCH)

    async def run(self) -> None:
        """Store until ``stop``, SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        pool = make_pool(self.settings)
        async with pool:
            self._keeper = Keeper(self.settings, self._counters, pool)
            keeper = asyncio.create_task(self._keeper.run())
            storing = asyncio.create_task(self._store_for_ever(pool))
            stopping = asyncio.create_task(self._stop.wait())
            beating = asyncio.create_task(beat(self._slot))
            try:
                await asyncio.wait((keeper, storing, stopping), return_when=asyncio.FIRST_COMPLETED)
                if self._stop.is_set():
                    await asyncio.wait((storing,), timeout=DRAIN_S)
            finally:
                self.stop()  # also when a cancellation is swallowed; see ``cancellation``
                for task in (keeper, storing, stopping, beating):
                    task.cancel()
                results = await asyncio.gather(keeper, storing, return_exceptions=True)
                self._reader.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _store_for_ever(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        pause = FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                async with pool.connection() as connection, pool.connection() as second:
                    try:
                        await self._resume(connection, second)
                        pause = FIRST_PAUSE_S
                        await self._store_until_stopped(connection)
                    finally:
                        await self._correlator.forget()
            except (Error, PoolTimeout, KemiscopeError, OSError) as error:
                if not self._slot[Field.STORE_DOWN_SINCE]:
                    self._slot[Field.STORE_DOWN_SINCE] = time.time_ns()
                self._limited.warn("store", f"storing paused, the journal keeps all: {error}")
                await self._sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311
                pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _resume(
        self, connection: AsyncConnection[TupleRow], second: AsyncConnection[TupleRow]
    ) -> None:
        """Take up where the database stands, whatever became of the last commit."""
        await migrate.check(connection)
        self._partitions.forget()
        await self._correlator.resume(second)
        await self._rewind(connection)
        if self._slot[Field.STORE_DOWN_SINCE]:
            self._slot[Field.STORE_DOWN_SINCE] = 0
            self._limited.reset("store")
            LOGGER.info("storing into %s", connection.info.dbname)

    async def _rewind(self, connection: AsyncConnection[TupleRow]) -> None:
        """Forget what was read and not committed."""
        await self._correlator.forget()
        for claim in self._reader.claims:
            await self._load_progress(connection, claim)

    async def _load_progress(self, connection: AsyncConnection[TupleRow], claim: Claim) -> None:
        progress = await self._store.progress(connection, claim.segment)
        claim.offset, claim.records, claim.correlated = progress
        claim.ended = False
        self._correlator.read_again(claim, self._options)

    async def _store_until_stopped(self, connection: AsyncConnection[TupleRow]) -> None:
        interval = self.settings.ingest.commit_interval
        while not self._stop.is_set():
            self._share.update()
            if self._counters.node[NodeField.PAUSED_AT]:
                self._limited.warn("paused", "storing is paused by an operator")
                await self._correlate(wait=True)
                await self._sleep(PAUSED_LOOK_S)
                self._share.rested(PAUSED_LOOK_S)
                continue
            due = time.monotonic() + interval
            outcome = await self._store_batch(connection)
            self._correlator.is_behind = outcome is Outcome.BEHIND
            await self._correlate()
            if outcome is Outcome.BEHIND:
                continue
            claim = self._share.claim(self._reader, idle=outcome is Outcome.IDLE)
            if claim:
                await self._load_progress(connection, claim)
            else:
                rest = max(0.0, due - time.monotonic())
                await self._sleep(rest)
                self._share.rested(rest)
        await self._correlate(wait=True)

    async def _correlate(self, *, wait: bool = False) -> None:
        """Let the calls of what is stored be written, and remove segments that waited for that."""
        await self._correlator.settle(wait=wait or self._correlator.is_full)
        if self._correlator.is_due or wait:
            self._correlator.start(self._reader.claims)
            await self._correlator.settle(wait=wait)
        self._slot[Field.CALLS_REFUSED] = self._calls_refused + self._correlator.refused
        for claim in list(self._reader.claims):
            if claim.ended and claim.correlated == claim.offset:
                self._reader.finish(claim)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), max(0.0, seconds))

    async def _store_batch(self, connection: AsyncConnection[TupleRow]) -> Outcome:
        """Store one batch from the claimed segments."""
        batch = Batch(pending=self._correlator.pending)
        portions: list[Portion] = []
        for claim in list(self._reader.claims):
            if batch.records < self._limit:
                portion = self._read(claim, batch)
                step = portion.step
                if step.octets != step.was_octets or step.records != claim.records:
                    portions.append(portion)
                elif portion.ended:
                    self._end(claim)
        if not portions:
            return Outcome.IDLE
        behind = batch.records >= self._limit or any(portion.full for portion in portions)
        try:
            await self._make_partitions(connection, batch)
            await self._store.commit(connection, batch, [portion.step for portion in portions])
        except Error as error:
            if not blames_row(error.sqlstate):
                raise
            behind = True
            await self._rewind(connection)
            await self._isolate(connection, batch, portions, error)
        except ProgressConflictError as conflict:
            behind = True
            self._limited.warn("conflict", str(conflict))
            await self._rewind(connection)
        else:
            self._limit = min(2 * self._limit, self.settings.ingest.batch_messages)
            self._advance(portions)
        return Outcome.BEHIND if behind else Outcome.ABREAST

    def _read(self, claim: Claim, batch: Batch) -> Portion:
        """Add a segment's next records to the batch."""
        self._reader.refresh(claim)
        data = claim.read(READ_BYTES)
        before = batch.records
        consumed = hop.encode(data, batch, self._options, self._limit - before)
        records = claim.records + batch.records - before
        expected = claim.segment.records
        if consumed == 0 and data:
            consumed = claim.skip_damage(data)
            # Behind the last record there can be one that its writer did not finish: no damage.
            claim.damaged = claim.damaged or (consumed > 0 and records != expected)
        ended = expected is not None and consumed == len(data) < READ_BYTES
        if ended and expected is not None and records < expected:
            missing = expected - records
            batch.causes[Cause.JOURNAL_DAMAGED] += missing
            records = expected
            LOGGER.error("%s: %d records are damaged", claim.segment.path, missing)
        step = Step(claim.segment, claim.offset, claim.offset + consumed, records)
        return Portion(claim, step, ended, len(data) >= READ_BYTES)

    def _advance(self, portions: list[Portion]) -> None:
        self._slot[Field.LAST_COMMIT] = time.time_ns()
        self._slot[Field.HOOK_FAULTS] = self._hook_faults + self._selection.hook_faults
        for claim, step, ended, _ in portions:
            claim.offset = step.octets
            claim.records = step.records
            if ended:
                self._end(claim)

    def _end(self, claim: Claim) -> None:
        """All of a segment is stored: remove it, now or when its calls are written."""
        claim.ended = True
        if not self._correlator.enabled:
            self._reader.finish(claim)

    async def _make_partitions(self, connection: AsyncConnection[TupleRow], batch: Batch) -> None:
        for table, rows in zip(TABLES, batch.rows, strict=True):
            if rows.data:
                first, last = from_us(rows.first_ts), from_us(rows.last_ts)
                await self._partitions.prepare(connection, table.name, first, last)

    async def _isolate(
        self,
        connection: AsyncConnection[TupleRow],
        batch: Batch,
        portions: list[Portion],
        error: Error,
    ) -> None:
        """Find the record that PostgreSQL refuses: halve the batches until it stands alone.

        A single refused record is quarantined, unless PostgreSQL refuses an ordinary row as well:
        then the fault is not the record's, and everything stays in the journal.
        """
        self._limit = max(1, batch.records // 2)
        if batch.records > 1:
            return
        found = next(
            (
                found
                for portion in portions
                if (found := record.unpack(portion.claim.read(READ_BYTES), 0)) is not None
            ),
            None,
        )
        if found is None or not await self._store.accepts_rows(connection):
            message = f"PostgreSQL refuses every row: {error}"
            raise SchemaError(message) from error
        if found.id != self._suspect:  # the table may have been mended just before it was asked
            self._suspect = found.id
            return
        batch.rows = Batch().rows
        batch.stats = {}
        batch.causes[Cause.STORED] -= 1
        batch.causes[Cause.STORE_REFUSED] += 1
        batch.refused = [
            Refused(found.id, found.peer, found.port, Cause.STORE_REFUSED, found.packet)
        ]
        detail = one_line(str(error))
        await self._store.commit(connection, batch, [portion.step for portion in portions], detail)
        self._limited.warn("poison", f"a message was quarantined: {error}")
        self._advance(portions)

    def close(self) -> None:
        """Free the slot."""
        self._selection.close()
        withdraw(self._journal, self._process)
        self._slot.release()
        self._counters.close()
        os.close(self._lock)


def run(settings: Settings, reload: Callable[[], Settings] = load_settings) -> None:
    """Ingest until SIGTERM; restarts itself after a fault of its own, which is logged.

    ``reload`` reads the settings again after SIGHUP.
    """
    # What is read at start stays, and packets wait in thousands without making any circle: with
    # the default thresholds their traversal would take a tenth of the time.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    give_way(settings.ingest.nice)
    while True:
        ingest = Ingest(settings, reload)
        try:
            asyncio.run(ingest.run())
        except Exception:  # noqa: BLE001 (a bug here must not end reception)
            LOGGER.exception("ingest failed, trying again in %d s", LONGEST_PAUSE_S)
            time.sleep(LONGEST_PAUSE_S)
        else:
            return
        finally:
            settings = ingest.settings  # also after a fault what was put into force stays so
            ingest.close()
