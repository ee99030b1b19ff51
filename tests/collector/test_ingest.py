# SPDX-License-Identifier: GPL-2.0-or-later
"""From the journal to a real PostgreSQL, with poison, damage and other processes in the way."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import balance
from collector.causes import Cause
from collector.errors import SettingsError
from collector.hep import TYPE_RTCP
from collector.ingest import Ingest
from collector.ingest import run as run_ingest
from collector.journal import segment, share
from collector.journal.counters import Counters
from collector.partitions import MOST_AT_ONCE
from collector.portion import Outcome
from collector.settings import Settings
from collector.settings.selecting import Filter, Hook
from collector.settings.sending import Relay
from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_journal import OpenWriter, append
from tests.quality_facts import rtcp
from tests.sip_text import packet, request

Connection = AsyncConnection[TupleRow]
TIMEOUT_S = 20


@pytest.fixture
def settings(database: Database, journal: Path) -> Settings:
    """Small batches, so that a test has several."""
    return load_settings(
        database,
        JOURNAL_DIRECTORY=str(journal),
        INGEST_BATCH_MESSAGES="50",
        INGEST_COMMIT_INTERVAL="10ms",
        DATABASE_CONNECT_TIMEOUT="1",
    )


@asynccontextmanager
async def ingesting(settings: Settings, processes: int = 1) -> AsyncIterator[None]:
    """Ingest runs for the length of a block and ends as after SIGTERM."""
    running = [Ingest(settings) for _ in range(processes)]
    tasks = [asyncio.create_task(ingest.run()) for ingest in running]
    try:
        yield
    finally:
        for ingest in running:
            ingest.stop()
        await asyncio.gather(*tasks)
        for ingest in running:
            ingest.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, in a thread: its queries may wait for a lock that ingest holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


def stored(database: Database) -> list[int]:
    """CSeq of all stored messages."""
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute("SELECT cseq FROM sip_message ORDER BY cseq")
        return [cseq for (cseq,) in found.fetchall()]


def messages(first: int, count: int, call_id: str = "x@y") -> list[bytes]:
    """HEP packets with CSeq ``first`` and up."""
    return [packet(request(call_id=call_id, number=first + n)) for n in range(count)]


async def test_everything_is_stored_once_and_segments_go(
    settings: Settings, database: Database, journal: Path, open_writer: OpenWriter
) -> None:
    """Two writers, many small segments; what is stored is deleted."""
    writers = [open_writer(segment_bytes=1 << 16), open_writer(segment_bytes=1 << 16)]
    async with ingesting(settings):
        for number in range(10):
            for which, writer in enumerate(writers):
                append(writer, *messages(1 + (2 * number + which) * 100, 100))
            await asyncio.sleep(0.02)
        await until(lambda: len(stored(database)) == 2000)
        for writer in writers:
            writer.close()
        await until(lambda: not any(segment.in_slot(d) for d in segment.slot_directories(journal)))
    assert stored(database) == list(range(1, 2001))


@pytest.mark.parametrize("alone", [0, share.ALONE])
async def test_two_processes_share_the_work(
    settings: Settings,
    database: Database,
    open_writer: OpenWriter,
    monkeypatch: pytest.MonkeyPatch,
    alone: int,
) -> None:
    """No record is stored twice whoever claims what: all share, or one does what it can."""
    monkeypatch.setattr(share, "ALONE", alone)
    writer = open_writer(segment_bytes=1 << 16)
    append(writer, *messages(1, 3000))
    async with ingesting(settings, processes=3):
        await until(lambda: len(stored(database)) >= 3000)
    assert stored(database) == list(range(1, 3001))


async def test_a_restart_goes_on_where_the_database_stands(
    settings: Settings, database: Database, open_writer: OpenWriter
) -> None:
    """Progress is in the database, not in the process."""
    writer = open_writer()
    append(writer, *messages(1, 500))
    async with ingesting(settings):
        await until(lambda: len(stored(database)) >= 100)
    first = len(stored(database))
    append(writer, *messages(501, 500))
    async with ingesting(settings):
        await until(lambda: len(stored(database)) == 1000)
    assert first < 1000
    assert stored(database) == list(range(1, 1001))


async def test_reports_are_counted_once_in_their_stream(
    settings: Settings, database: Database, open_writer: OpenWriter
) -> None:
    """With a restart and several processes, like the rows that they are counted from."""
    writer = open_writer(segment_bytes=1 << 14)
    report = packet(rtcp(lost=3, fraction=4), type=TYPE_RTCP, correlation_id=b"x@y")

    def counted() -> int:
        with psycopg.connect(database.dsn) as connection:
            found = connection.execute("SELECT sum(reports) FROM rtp_stream")
            return (found.fetchone() or (0,))[0] or 0

    append(writer, *messages(1, 5), *[report] * 300)
    async with ingesting(settings):
        await until(lambda: counted() >= 50)
    append(writer, *[report] * 300)
    async with ingesting(settings, processes=2):
        await until(lambda: counted() >= 600)
    with psycopg.connect(database.dsn) as connection:
        rows = connection.execute("SELECT call_id, packets_lost, reports FROM rtp_stream")
        assert rows.fetchall() == [("x@y", 3, 600)]


async def test_a_poisoned_message_does_not_stop_its_batch(
    settings: Settings, database: Database, journal: Path, open_writer: OpenWriter
) -> None:
    """What PostgreSQL refuses goes to the quarantine, the others are stored."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE sip_message_call ADD CHECK (call_id NOT LIKE 'poison%') NOT VALID"
        )
    good = messages(1, 120)
    poison = [packet(request(call_id=f"poison{n}@x", number=900 + n)) for n in range(3)]
    append(open_writer(), *good[:30], poison[0], poison[1], *good[30:], poison[2])
    async with ingesting(settings):
        await until(lambda: len(stored(database)) == 120 and _quarantined(database) == 3)
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute("SELECT cause, packet, detail FROM quarantine ORDER BY id")
        rows = found.fetchall()
    assert [row[:2] for row in rows] == [("store_refused", item) for item in poison]
    assert all("check constraint" in detail for _, _, detail in rows)
    sheet = await _balance(database, journal)
    assert (sheet.causes[Cause.STORED], sheet.causes[Cause.STORE_REFUSED]) == (120, 3)
    assert (sheet.waiting, sheet.unaccounted) == (0, 0)


async def test_a_table_that_refuses_everything_is_not_the_messages_fault(
    settings: Settings, database: Database, open_writer: OpenWriter
) -> None:
    """Nothing is quarantined; when the table is mended everything is stored."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE sip_message_call ADD CONSTRAINT no CHECK (false) NOT VALID")
    append(open_writer(), *messages(1, 60))
    async with ingesting(settings):
        await asyncio.sleep(1.5)
        assert await asyncio.to_thread(stored, database) == []
        assert await asyncio.to_thread(_quarantined, database) == 0
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            await connection.execute("ALTER TABLE sip_message_call DROP CONSTRAINT no")
        await until(lambda: len(stored(database)) == 60)


async def test_damage_in_a_segment_is_skipped_and_counted(
    settings: Settings, database: Database, journal: Path, open_writer: OpenWriter
) -> None:
    """One flipped bit costs one record, and the file is kept for inspection."""
    writer = open_writer()
    append(writer, *messages(1, 10))
    (found,) = segment.in_slot(journal / "00")
    data = bytearray(found.path.read_bytes())
    data[segment.HEADER_BYTES + 4 * 400] ^= 0x10
    found.path.write_bytes(data)
    writer.close()
    async with ingesting(settings):
        await until(lambda: len(stored(database)) == 9)
        await until(lambda: not segment.in_slot(journal / "00"))
    sheet = await _balance(database, journal)
    assert (sheet.causes[Cause.STORED], sheet.causes[Cause.JOURNAL_DAMAGED]) == (9, 1)
    assert (sheet.received, sheet.waiting, sheet.unaccounted) == (10, 0, 0)
    assert [path.suffix for path in (journal / "00").iterdir()] == [".damaged"]


async def test_segments_finished_out_of_order_are_counted_right(
    settings: Settings, database: Database, journal: Path, open_writer: OpenWriter
) -> None:
    """A slow process still reads the first segment when another has finished the next ones."""
    writer = open_writer(segment_bytes=1 << 16)
    append(writer, *messages(1, 100))
    slow, fast = Ingest(settings), Ingest(settings)
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        claim = slow._reader.claim_next()
        assert claim
        append(writer, *messages(101, 900))
        writer.close()
        task = asyncio.create_task(fast.run())
        await until(lambda: len(segment.in_slot(journal / "00")) == 1)
        fast.stop()
        await task
        while await slow._store_batch(connection) is not Outcome.IDLE:
            pass
    for ingest in (slow, fast):
        ingest.close()
    assert stored(database) == list(range(1, 1001))
    sheet = await _balance(database, journal)
    assert (sheet.received, sheet.waiting, sheet.unaccounted) == (1000, 0, 0)
    assert sheet.causes[Cause.JOURNAL_DAMAGED] == 0


async def test_messages_of_many_days_find_their_partitions(
    settings: Settings, database: Database, open_writer: OpenWriter
) -> None:
    """Late messages within the accepted window are filed by their own time, never by default."""
    now = time.time()
    append(
        open_writer(),
        *(packet(request(number=n + 1), at=now - n * 43_000.0) for n in range(6)),
        packet(request(number=7), at=now - 10 * 86_400.0),
    )
    async with ingesting(settings):
        await until(lambda: len(stored(database)) == 7)
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT cseq, tableoid::regclass::text LIKE '%default', sender_ts IS NOT NULL"
            " FROM sip_message_call ORDER BY cseq"
        ).fetchall()
    assert found == [(n, False, n == 7) for n in range(1, 8)]


async def test_short_partitions_and_a_long_past_do_not_make_a_flood_of_tables(
    settings: Settings, database: Database, open_writer: OpenWriter
) -> None:
    """One batch over two days of five-minute partitions: a few are made, every row is stored."""
    storing = msgspec.structs.replace(settings.partition, interval=300.0)
    settings = msgspec.structs.replace(settings, partition=storing)
    now = time.time()
    append(
        open_writer(),
        *(packet(request(number=n + 1), at=now - n * 4000.0) for n in range(40)),
    )
    async with ingesting(settings):
        await until(lambda: len(stored(database)) == 40)
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'sip_message_call'::regclass"
        ).fetchone()
    # Those of the batch, the default one, those ahead, and one for each stray that has moved.
    assert found is not None
    assert found[0] <= MOST_AT_ONCE + 1 + settings.partition.ahead + 1 + 40


async def test_a_database_that_goes_away_is_waited_for(
    settings: Settings, database: Database, open_writer: OpenWriter
) -> None:
    """Its connections are cut again and again; every message is stored once."""
    writer = open_writer(segment_bytes=1 << 16)
    async with ingesting(settings):
        for number in range(20):
            append(writer, *messages(1 + 50 * number, 50))
            async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'kemiscope%' AND datname = current_database()"
                )
            await asyncio.sleep(0.05)
        await until(lambda: len(stored(database)) >= 1000)
    assert stored(database) == list(range(1, 1001))


async def test_the_published_balance_is_closed(
    settings: Settings, database: Database, journal: Path, open_writer: OpenWriter
) -> None:
    """Under way and at the end: received = stored + waiting + the rest."""
    writer = open_writer(segment_bytes=1 << 16)
    async with ingesting(settings, processes=2):
        for number in range(30):
            append(writer, *messages(1 + 100 * number, 100), b"not hep")
            sheet = await _balance(database, journal)
            assert sheet.unaccounted == 0
            assert sheet.received == 101 * (number + 1)
            await asyncio.sleep(0.01)
        await until(lambda: len(stored(database)) == 3000)
    sheet = await _balance(database, journal)
    assert (sheet.received, sheet.waiting) == (3030, 0)
    assert sheet.causes[Cause.NOT_HEP] == 30


def _quarantined(database: Database) -> int:
    with psycopg.connect(database.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM quarantine").fetchone()
        return int(row[0]) if row else 0


async def _balance(database: Database, journal: Path) -> balance.Balance:
    counters = Counters(journal)
    try:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            return await balance.compute(connection, counters, journal)
    finally:
        counters.close()


async def test_settings_are_read_again_without_losing_a_packet(
    settings: Settings,
    database: Database,
    journal: Path,
    open_writer: OpenWriter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After SIGHUP the next batch follows them; a mistake changes nothing."""
    chosen = [settings]

    def reload() -> Settings:
        if not chosen:
            message = "filter.discard_methods: nonsense"
            raise SettingsError(message)
        return chosen[0]

    writer = open_writer()
    ingest = Ingest(settings, reload)
    task = asyncio.create_task(ingest.run())
    append(writer, *messages(1, 10))
    await until(lambda: len(stored(database)) == 10)

    chosen[0] = msgspec.structs.replace(
        settings,
        filter=Filter(discard_methods=("INVITE",)),
        retention=msgspec.structs.replace(settings.retention, call=86_400.0 * 99),
        relay=Relay(targets=("udp:192.0.2.1:9060",)),
    )
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0.05)
    append(writer, *messages(11, 10))
    await until(lambda: _count(database, Cause.FILTER_METHOD) == 10)
    assert ingest.settings.retention.call == 86_400.0 * 99
    assert "reload: waits for a restart of the capture node: relay.targets" in caplog.text
    assert ingest.settings.relay == settings.relay

    chosen.clear()
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0.05)
    append(writer, *messages(21, 10))
    await until(lambda: _count(database, Cause.FILTER_METHOD) == 20)
    ingest.stop()
    await task
    ingest.close()
    assert stored(database) == list(range(1, 11))
    sheet = await _balance(database, journal)
    assert (sheet.received, sheet.waiting, sheet.unaccounted) == (30, 0, 0)


def test_what_a_reload_put_into_force_outlives_a_fault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A censored method must not be stored in clear because of a fault somewhere else."""
    censoring = msgspec.structs.replace(settings, filter=Filter(censor_methods=("MESSAGE",)))
    seen: list[tuple[str, ...]] = []

    async def run(ingest: Ingest) -> None:
        seen.append(ingest.settings.filter.censor_methods)
        if len(seen) == 1:
            ingest.reload()
            raise RuntimeError

    monkeypatch.setattr(Ingest, "run", run)
    monkeypatch.setattr("collector.ingest.LONGEST_PAUSE_S", 0)
    thresholds = gc.get_threshold()
    try:
        run_ingest(settings, lambda: censoring)
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
    assert seen == [(), ("MESSAGE",)]


def _count(database: Database, cause: Cause) -> int:
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT coalesce(sum(messages), 0) FROM ingest_counter WHERE cause = %s", (cause.label,)
        ).fetchone()
        return int(found[0]) if found else 0


async def test_the_faults_of_a_hook_are_published(
    settings: Settings, database: Database, journal: Path, open_writer: OpenWriter
) -> None:
    """Beside the balance, which they do not touch."""
    hook = journal.parent / "hook.py"
    hook.write_text("def wrong(message):\n    message.fields['cseq'] = ''\n")
    append(open_writer(), *messages(1, 5))
    async with ingesting(msgspec.structs.replace(settings, hook=Hook(file=str(hook)))):
        await until(lambda: _hook_faults(database) == 5)
    assert stored(database) == [1, 2, 3, 4, 5]
    sheet = await _balance(database, journal)
    assert sheet.unaccounted == 0


def _hook_faults(database: Database) -> int:
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute("SELECT hook_faults FROM capture_node").fetchone()
        return int(found[0]) if found else 0
