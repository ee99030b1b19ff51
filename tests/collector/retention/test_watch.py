# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at a real database: what goes, what is said, what is kept for others to see."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import partitions
from collector.partitions import Partitions
from collector.retention import disk, history, measure, watch
from collector.retention.disk import FileSystem
from collector.retention.watch import Watch
from tests.fix_api import JOURNAL, load_settings, store
from tests.fix_database import Database
from tests.sip_text import packet, request

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
MESSAGES = {"call": "INVITE", "registration": "REGISTER", "other": "OPTIONS"}
Connection = AsyncConnection[TupleRow]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is half past eight when a test begins."""
    began = time.monotonic()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            assert tz is UTC
            return cls.fromtimestamp(NOW.timestamp() + time.monotonic() - began, tz)

    monkeypatch.setattr(measure, "datetime", Clock)


@pytest.fixture
async def filled(connection: Connection) -> Connection:
    """Ten hours of calls and of pings, 2,000 messages an hour in all."""
    for kind in ("call", "other"):
        await Partitions(3600).ensure(connection, f"sip_message_{kind}", NOW - 9 * HOUR, NOW + HOUR)
        for hour in range(10):
            moment = (NOW - hour * HOUR).timestamp()
            await store(connection, [_message(kind, moment)] * 1000)
    # Counts that this backend still holds back would come on top of what ANALYZE finds.
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("ANALYZE")
    return connection


def _message(kind: str = "call", at: float = NOW.timestamp()) -> bytes:
    return packet(request(MESSAGES[kind], body=bytes(1000)), at=at)


def _watch(database: Database, **settings: str) -> Watch:
    defaults = {"RETENTION_MAX_DISK_PERCENT": "0", "PARTITION_INTERVAL": "1h"}
    return Watch(load_settings(database, **defaults | settings), JOURNAL)


async def _hours(connection: Connection, kind: str) -> list[int]:
    """Age of the partitions with rows, in hours, oldest first."""
    found = await connection.execute(
        "SELECT DISTINCT date_trunc('hour', ts) FROM sip_message WHERE kind = %s ORDER BY 1",
        (kind,),
    )
    return [(THIS_HOUR - begin) // HOUR for (begin,) in await found.fetchall()]


async def test_a_byte_limit(filled: Connection, database: Database) -> None:
    """Old pings go, then the oldest calls; the newest of both stay; below it nothing goes."""
    before = (await _watch(database).decide(filled)).measured.octets
    most = before * 4 // 10
    subject = _watch(database, RETENTION_MAX_BYTES=str(most))
    await subject.look(filled)
    look = await subject.look(filled)
    assert look.measured.octets < most
    assert look.plan == ([], [])
    assert await _hours(filled, "other") == [1, 0]
    calls = await _hours(filled, "call")
    assert calls == list(range(calls[0], -1, -1))
    assert 3 <= calls[0] <= 7
    found = await filled.execute(
        "SELECT sum(octets)::bigint, sum(messages)::bigint, count(DISTINCT reason)"
        " FROM retention_log"
    )
    octets, messages, reasons = await found.fetchone() or (0, 0, 0)
    assert look.measured.octets == pytest.approx(before - octets, rel=0.02)
    assert messages == pytest.approx(1000 * (8 + 9 - calls[0]), rel=0.02)
    assert reasons == 1


async def test_deciding_changes_nothing(filled: Connection, database: Database) -> None:
    """The dry run."""
    look = await _watch(database, RETENTION_MAX_BYTES="1MiB").decide(filled)
    assert len(look.plan.drops) > 15
    assert await _hours(filled, "call") == list(range(9, -1, -1))
    found = await filled.execute("SELECT 1 FROM retention_log, retention_sample")
    assert await found.fetchone() is None


async def test_other_settings_hold_from_the_next_look_on(
    filled: Connection, database: Database
) -> None:
    """As after a reload."""
    watch = _watch(database)
    assert (await watch.decide(filled)).limits == []
    watch.use(load_settings(database, RETENTION_MAX_BYTES="5MiB", RETENTION_MAX_DISK_PERCENT="0"))
    assert [limit.most for limit in (await watch.decide(filled)).limits] == [5 << 20]


async def test_age_by_kind(filled: Connection, database: Database) -> None:
    """Whole partitions; a kind that is kept for ever stays."""
    ages = {"RETENTION_CALL": "5h", "RETENTION_OTHER": "0", "CLOCK_ACCEPT_PAST": "1h"}
    subject = _watch(database, RETENTION_REGISTRATION="3d", **ages)
    await subject.look(filled)
    assert await _hours(filled, "call") == [5, 4, 3, 2, 1, 0]
    assert len(await _hours(filled, "other")) == 10


async def test_old_strays_go_and_others_move(filled: Connection, database: Database) -> None:
    """The default partition obeys, too."""
    for hours in (50, 20):
        await store(filled, [packet(request(), at=(NOW - hours * HOUR).timestamp())])
    ages = {"RETENTION_CALL": "30h", "RETENTION_OTHER": "0", "CLOCK_ACCEPT_PAST": "1h"}
    await _watch(database, **ages).look(filled)
    assert await partitions.default_rows(filled, "sip_message_call") == 0
    assert await _hours(filled, "call") == [20, *range(9, -1, -1)]


async def test_a_limit_that_cannot_be_kept_is_said_once_and_shown(
    filled: Connection, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, and for doctor and status; what is new stays."""
    subject = _watch(database, RETENTION_MAX_BYTES="1MiB")
    for _ in range(3):
        await subject.look(filled)
    assert await _hours(filled, "call") == await _hours(filled, "other") == [0]
    said = [r for r in caplog.records if "too small for what comes in" in r.message]
    assert len(said) == 1
    last = await history.last_sample(filled, JOURNAL)
    assert last is not None
    assert "too small for what comes in" in last.findings[0]


async def test_a_busy_partition_is_passed_over(
    filled: Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next one goes instead, and the log names who is in the way."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    subject = _watch(database, RETENTION_CALL="7h", CLOCK_ACCEPT_PAST="1h")
    async with await AsyncConnection.connect(database.reader_dsn) as reader:
        span = (THIS_HOUR - 9 * HOUR, THIS_HOUR - 8 * HOUR)
        await reader.execute("SELECT 1 FROM sip_message_call WHERE ts >= %s AND ts < %s", span)
        await subject.look(filled)
        assert await _hours(filled, "call") == [9, 7, 6, 5, 4, 3, 2, 1, 0]
        assert f"process {reader.info.backend_pid} of role kemiscope_reader" in caplog.text
    await subject.look(filled)
    assert await _hours(filled, "call") == [7, 6, 5, 4, 3, 2, 1, 0]


class Disk:
    """Stands in for statvfs: a file system of 100 MB with the database and others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.used = 0
        self._path = path
        monkeypatch.setattr(disk, "look_at", self._look_at)

    def _look_at(self, _path: str, _shown: str = "") -> FileSystem:
        device = self._path.stat().st_dev
        return FileSystem(str(self._path), device, self.used, 100_000_000)


async def test_a_wrong_path_does_not_cost_everything(
    filled: Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Dropping does not lower the use: it stops and says so."""
    monkeypatch.setattr("collector.retention.relief.PROOF_BYTES", 1 << 20)
    monkeypatch.setattr("collector.retention.relief.SETTLE", timedelta())
    fake = Disk(monkeypatch, tmp_path)
    fake.used = 82_000_000
    subject = _watch(database, RETENTION_MAX_DISK_PERCENT="80")
    for _ in range(10):
        await subject.look(filled)
    assert 2 <= len(await _hours(filled, "other")) <= 8
    assert len(await _hours(filled, "call")) == 10
    assert "did not fall" in caplog.text


async def test_a_disk_that_cannot_be_watched_is_said_once(
    filled: Connection, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """When it begins."""
    missing = {"RETENTION_MAX_DISK_PERCENT": "80", "RETENTION_DISK_PATH": "/missing"}
    subject = _watch(database, **missing)
    for _ in range(3):
        await subject.look(filled)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r.message for r in warnings] == [
        "retention.max_disk_percent does not work: /missing: No such file or directory"
    ]


async def test_looks_come_closer_as_a_limit_does(filled: Connection, database: Database) -> None:
    """Growth between two looks is kept free and makes the next one sooner."""
    octets = (await _watch(database).decide(filled)).measured.octets
    far = _watch(database, RETENTION_MAX_BYTES=str(octets * 1000))
    near = _watch(database, RETENTION_MAX_BYTES=str(octets + (6 << 20)))
    reserves = []
    for subject in (far, near):
        await subject.decide(filled)
        assert subject.pause_s == watch.LONGEST_PAUSE_S
        await store(filled, [_message()] * 1000)
        look = await subject.decide(filled)
        reserves.append(look.limits[0].reserve / look.limits[0].most)
    assert far.pause_s == watch.LONGEST_PAUSE_S
    assert near.pause_s < watch.LONGEST_PAUSE_S
    assert reserves[1] > reserves[0]


async def test_a_partition_that_outgrows_its_limit_ends_early(
    filled: Connection, database: Database
) -> None:
    """And the rows of now are in it still."""
    table = "sip_message_registration"
    subject = _watch(database, RETENTION_MAX_BYTES="64MiB", CLOCK_ACCEPT_FUTURE="0")
    (whole,) = await Partitions(86400).ensure(filled, table, NOW, NOW)
    await subject.decide(filled)
    await store(filled, [_message("registration")] * 8000)
    await subject.decide(filled)
    await subject.end_early(filled)
    async with filled.transaction():
        piece, rest = await partitions.read(filled, table)
    assert (piece.name, piece.begin, rest.end) == (whole.name, whole.begin, whole.end)
    assert NOW < piece.end == rest.begin < NOW + timedelta(minutes=3)
    assert await _hours(filled, "registration") == [0]
    await subject.end_early(filled)
    async with filled.transaction():
        assert len(await partitions.read(filled, table)) == 2
