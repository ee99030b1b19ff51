# SPDX-License-Identifier: GPL-2.0-or-later
"""The quarantine once more through the hop, against a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import __main__ as command
from collector.balance import Balance, compute
from collector.causes import Cause
from collector.journal.counters import Counters
from collector.moment import from_id
from collector.replay.quarantine import BATCH, Replay
from collector.settings import Settings
from tests.collector.test_ingest import ingesting, stored, until
from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_journal import OpenWriter, append
from tests.sip_text import packet, request

pytestmark = pytest.mark.one_database
POISON = "poison@replay"


@pytest.fixture
def settings(database: Database, journal: Path) -> Settings:
    """With a capture password."""
    return load_settings(
        database, JOURNAL_DIRECTORY=str(journal), SENDERS_PASSWORDS="2001:right,3:right"
    )


def _rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def _quarantined(database: Database) -> list[str]:
    return [cause for (cause,) in _rows(database, "SELECT cause FROM quarantine ORDER BY id")]


async def _balance(connection: AsyncConnection[TupleRow], journal: Path) -> Balance:
    counters = Counters(journal)
    try:
        return await compute(connection, counters, journal)
    finally:
        counters.close()


async def _reject(
    settings: Settings, database: Database, open_writer: OpenWriter, *packets: bytes
) -> None:
    append(open_writer(), *packets)
    async with ingesting(settings):
        await until(lambda: len(_quarantined(database)) == len(packets))


async def test_what_can_be_stored_now_leaves_the_quarantine(
    settings: Settings,
    database: Database,
    connection: AsyncConnection[TupleRow],
    journal: Path,
    open_writer: OpenWriter,
) -> None:
    """With its time and its call, once; the others stay; the balance is closed before and after."""
    good = request(call_id="forgotten@replay")
    wrong = packet(good, auth_key=b"wrong")
    cut = packet(request(call_id="cut@replay"), auth_key=b"right")[:-3]
    await _reject(settings, database, open_writer, wrong, cut, b"no HEP at all")
    assert _quarantined(database) == ["password", "hep_length", "not_hep"]
    ((arrived,),) = _rows(database, "SELECT received_at FROM quarantine WHERE cause = 'password'")

    for _ in range(2):
        replay = Replay(connection, settings)
        await replay.run()
    assert replay.fates == {Cause.HEP_LENGTH: 1, Cause.NOT_HEP: 1}
    assert _quarantined(database) == ["hep_length", "not_hep"]
    rows = _rows(database, "SELECT call_id, raw, id FROM sip_message")
    assert [row[:2] for row in rows] == [("forgotten@replay", good)]
    assert abs(from_id(rows[0][2]) - arrived) < timedelta(milliseconds=1)
    assert _rows(database, "SELECT call_id, state FROM call") == [("forgotten@replay", "trying")]
    sheet = await _balance(connection, journal)
    assert sheet.unaccounted == 0
    assert {cause: count for cause, count in sheet.causes.items() if count} == {
        **dict.fromkeys((Cause.STORED, Cause.HEP_LENGTH, Cause.NOT_HEP), 1)
    }


async def test_what_postgresql_refused(
    settings: Settings,
    database: Database,
    connection: AsyncConnection[TupleRow],
    journal: Path,
    open_writer: OpenWriter,
) -> None:
    """Stays as long as it is refused, without harm to the others; dry runs change nothing."""
    for name in ("x", POISON):
        await connection.execute(
            f"ALTER TABLE sip_message_call ADD CONSTRAINT not_{name[:1]} "
            f"CHECK (call_id <> '{name}@refused')".encode()
        )
    first = packet(request(call_id="x@refused"), auth_key=b"right")
    second = packet(request(call_id=f"{POISON}@refused"), auth_key=b"right")
    await _reject(settings, database, open_writer, first, second)
    await connection.execute("ALTER TABLE sip_message_call DROP CONSTRAINT not_x")

    dry = Replay(connection, settings)
    await dry.run("store_refused", dry=True)
    assert dry.fates == {Cause.STORED: 1, Cause.STORE_REFUSED: 1}
    assert _quarantined(database) == ["store_refused"] * 2
    replay = Replay(connection, settings)
    await replay.run("store_refused")
    assert replay.fates == dry.fates
    ((cause, detail),) = _rows(database, "SELECT cause, detail FROM quarantine")
    assert cause == "store_refused"
    assert "not_p" in detail
    assert stored(database) == [1]
    sheet = await _balance(connection, journal)
    assert (sheet.causes[Cause.STORED], sheet.causes[Cause.STORE_REFUSED]) == (1, 1)
    assert sheet.unaccounted == 0
    await connection.execute("ALTER TABLE sip_message_call DROP CONSTRAINT not_p")


async def test_more_than_one_batch(
    settings: Settings, database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """And only those of the cause that was asked for."""
    for cause, count in (("password", BATCH + 5), ("not_hep", 3)):
        await connection.execute(
            "INSERT INTO quarantine (journal_id, received_at, peer, port, cause, detail, packet)"
            " SELECT gen_random_uuid(), now(), '192.0.2.9', 5060, %s, '', %s"
            " FROM generate_series(1, %s)",
            (cause, packet(request()), count),
        )
    replay = Replay(connection, settings)
    await replay.run("password")
    assert replay.fates == {Cause.STORED: BATCH + 5}
    assert _quarantined(database) == ["not_hep"] * 3
    assert len(stored(database)) == BATCH + 5


def test_the_command_says_what_became_of_them(
    settings: Settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By fate; its status says whether some are left."""
    monkeypatch.setenv("KEMISCOPE_DATABASE_DSN", settings.database.dsn)
    monkeypatch.setenv("KEMISCOPE_JOURNAL_DIRECTORY", settings.journal.directory)
    assert command.main(["replay", "quarantine"]) == 0
    assert capsys.readouterr().out == "the quarantine has none\n"
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for data in (packet(request()), b"x"):
            connection.execute(
                "INSERT INTO quarantine"
                " (journal_id, received_at, peer, port, cause, detail, packet)"
                " VALUES (gen_random_uuid(), now(), '192.0.2.9', 5060, 'not_hep', '', %s)",
                (data,),
            )
    assert command.main(["replay", "quarantine", "--dry-run"]) == 1
    assert capsys.readouterr().out == (
        f"1 would be stored, stored: {Cause.STORED.help}\n"
        f"1 would be rejected, not_hep: {Cause.NOT_HEP.help}\n"
    )
    assert command.main(["replay", "quarantine"]) == 1
    assert "1 are stored" in capsys.readouterr().out
    assert command.main(["replay", "quarantine", "--cause", "not_hep"]) == 1


def test_a_file_that_is_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The web API's command reads files; its words come through."""
    assert command.main(["replay", str(tmp_path / "nothing.pcap")]) == 1
    assert "nothing.pcap" in capfd.readouterr().err
