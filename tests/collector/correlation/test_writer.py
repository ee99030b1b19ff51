# SPDX-License-Identifier: GPL-2.0-or-later
"""The writer at its edges: late beginnings, refused rows, forgotten keys, and somebody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.correlation import upkeep
from collector.correlation.encode import MAX_TEXT_BYTES
from collector.correlation.fact import Fact
from collector.correlation.pending import Pending
from collector.correlation.writer import KEYS_KEPT, Mark, Writer
from collector.errors import ProgressConflictError
from tests.fix_api import load_settings
from tests.fix_calls import HALF_HOUR, Ingests, select
from tests.fix_database import Database
from tests.flow import Flow, load

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]

SEGMENT = UUID(int=7)


def _call(name: str = "session-direct", run: int = 0, begins: datetime | None = None) -> Flow:
    return load(name, run, begins)


async def test_a_call_whose_beginning_comes_late_is_filed_anew(
    ingests: Ingests, connection: Connection
) -> None:
    """One row, in the partition of its beginning, where a search by time looks for it."""
    flow = _call("bye-missing", begins=datetime(2026, 3, 10, 11, 55, tzinfo=UTC))
    late = _call("bye-missing", begins=datetime(2026, 3, 10, 12, 35, tzinfo=UTC))
    first = await ingests.open()
    await first.store(late.messages[1:])
    await first.write()
    (before,) = await select(connection, "call")
    await first.store(flow.messages[:1])
    await first.write()
    (row,) = await select(connection, "call")
    assert (
        before["ts"]
        == before["started_at"]
        == row["ts"] + timedelta(minutes=40) + (before["started_at"] - late.begins)
    )
    assert row["ts"] == row["started_at"] == row["first_at"] == flow.begins
    assert row["messages"] == len(flow.messages)
    found = await connection.execute("SELECT tableoid::regclass::text FROM call")
    assert await found.fetchall() == [("call_20260310_1130",)]
    (key,) = await select(connection, "call_key")
    assert key["ts"] == flow.begins
    other = await ingests.open(process=1)
    await other.store(late.messages[-1:])
    await other.write()
    (row,) = await select(connection, "call")
    assert row["messages"] == len(flow.messages) + 1


async def test_a_leg_that_another_process_has_filed_anew_is_found_again(
    ingests: Ingests, connection: Connection
) -> None:
    """Who has known where it was, and left out what the row had, says it all again."""
    flow = _call("bye-missing", begins=datetime(2026, 3, 10, 11, 55, tzinfo=UTC))
    late = _call("bye-missing", begins=datetime(2026, 3, 10, 12, 35, tzinfo=UTC))
    first, second = await ingests.open(), await ingests.open(process=1)
    await first.store(late.messages[1:-1])
    await first.write()
    await second.store(flow.messages[:1])
    await second.write()
    await first.store(late.messages[-1:])
    await first.write()
    (row,) = await select(connection, "call")
    assert row["messages"] == len(flow.messages)
    assert (row["ts"], row["first_rank"], row["first_at"]) == (flow.begins, 0, flow.begins)


async def test_a_leg_whose_row_is_gone_gets_a_whole_one(
    ingests: Ingests, connection: Connection
) -> None:
    """Removed by retention while its last messages were on their way."""
    flow = _call()
    writer = await ingests.open()
    await writer.store(flow.messages[:-1])
    await writer.write()
    await connection.execute("DELETE FROM call")
    await writer.store(flow.messages[-1:])
    await writer.write()
    (row,) = await select(connection, "call")
    assert row["messages"] == 1
    assert row["first_rank"] == 2
    assert (row["node"], row["from_user"]) == ("2001", "bob")


async def test_a_known_leg_is_told_of_an_earlier_beginning(
    ingests: Ingests, connection: Connection
) -> None:
    """Only what comes after what is known may be left out."""
    flow = _call()
    writer = await ingests.open()
    for message in reversed(flow.messages):
        await writer.store([message])
        await writer.write()
    (row,) = await select(connection, "call")
    assert (row["first_rank"], row["first_at"]) == (0, flow.begins)
    assert row["messages"] == len(flow.messages)


@pytest.mark.own_database
async def test_a_row_that_is_refused_is_left_out_alone(
    ingests: Ingests, connection: Connection
) -> None:
    """The others are written, each once, in spite of the tries in halves."""
    flows = [_call(run=number) for number in range(5)]
    poison = flows[2].legs[""]
    await connection.execute(f"ALTER TABLE call ADD CHECK (call_id <> '{poison}') NOT VALID")
    first = await ingests.open()
    for flow in flows:
        await first.store(flow.messages)
    await first.write()
    rows = await select(connection, "call")
    assert {row["call_id"] for row in rows} == {flow.legs[""] for flow in flows} - {poison}
    assert {row["messages"] for row in rows} == {len(flows[0].messages)}
    assert first.writer.refused == 1


async def test_what_another_process_has_written_is_not_written_again(
    ingests: Ingests, connection: Connection
) -> None:
    """Progress is compared and set; with the conflict nothing of the write stays."""
    await connection.execute(
        "INSERT INTO journal_progress VALUES (%s, %s, 0, 0, 900, 9, now(), 300)",
        (SEGMENT, UUID(int=1)),
    )
    pending, writer = Pending(), Writer(HALF_HOUR)
    await writer.prepare(connection)
    first = await ingests.open()
    pending.add(await first.store(_call().messages))
    with pytest.raises(ProgressConflictError):
        await writer.write(connection, pending, [Mark(SEGMENT, 200, 900)])
    assert await select(connection, "call") == []
    assert await select(connection, "call_key") == []
    await writer.write(connection, pending, [Mark(SEGMENT, 300, 900)])
    assert len(await select(connection, "call")) == 1
    (progress,) = await select(connection, "journal_progress")
    assert progress["correlated"] == 900


async def test_the_end_of_a_long_call_finds_its_row(
    ingests: Ingests, database: Database, connection: Connection
) -> None:
    """Although its key is forgotten, which happens only after a day."""
    flow = _call()
    first = await ingests.open()
    await first.store(flow.messages[:-2])
    await first.write()
    settings = load_settings(database)
    await upkeep.keep(connection, settings, flow.begins + KEYS_KEPT - timedelta(minutes=1))
    assert len(await select(connection, "call_key")) == 1
    await upkeep.keep(connection, settings, flow.begins + KEYS_KEPT + timedelta(hours=1))
    assert await select(connection, "call_key") == []
    (row,) = await select(connection, "call")
    assert row["state"] == "timed_out"
    await first.store(flow.messages[-2:])
    await first.write()
    (row,) = await select(connection, "call")
    assert (row["state"], row["messages"]) == ("completed", len(flow.messages))


async def test_time_runs_out_for_silent_calls_and_comes_back(
    ingests: Ingests, database: Database, connection: Connection
) -> None:
    """Unanswered ones after minutes, answered ones after hours; a message makes them run again."""
    ringing, answered = _call("trying"), _call("bye-missing")
    first = await ingests.open()
    await first.store([*ringing.messages, *answered.messages])
    await first.write()
    settings = load_settings(database)

    async def states(after: timedelta) -> set[str]:
        await upkeep.keep(connection, settings, ringing.begins + after)
        return {row["state"] for row in await select(connection, "call")}

    assert await states(timedelta(minutes=5)) == {"trying", "answered"}
    assert await states(timedelta(minutes=15)) == {"timed_out", "answered"}
    assert await states(timedelta(hours=13)) == {"timed_out"}
    late = load("bye-missing", begins=answered.begins + timedelta(hours=14))
    await first.store(late.messages[-1:])
    await first.write()
    assert await states(timedelta(hours=14)) == {"timed_out", "answered"}
    assert await states(timedelta(hours=28)) == {"timed_out"}


async def test_registrations_that_nobody_renews_go(
    ingests: Ingests, database: Database, connection: Connection
) -> None:
    """After retention.record."""
    flow = _call("registration-new")
    first = await ingests.open()
    await first.store(flow.messages)
    await first.write()
    settings = load_settings(database, RETENTION_RECORD="10d")
    await upkeep.keep(connection, settings, flow.begins + timedelta(days=9))
    assert len(await select(connection, "registration")) == len(flow.registrations)
    await upkeep.keep(connection, settings, flow.begins + timedelta(days=11))
    assert await select(connection, "registration") == []


async def test_links_that_differ_only_where_they_are_cut_are_one(
    ingests: Ingests, connection: Connection
) -> None:
    """Two that are the same in the table must not be written in one statement."""
    flow = _call()
    first = await ingests.open()
    facts = [fact for fact in await first.store(flow.messages) if isinstance(fact, Fact)]
    pending, writer = Pending(), Writer(HALF_HOUR)
    await writer.prepare(connection)
    for number, end in enumerate((b"x", b"y", b"\xff", b"\xfe")):
        packet = facts[number].packet._replace(correlation_id=b"z" * MAX_TEXT_BYTES + end)
        pending.add([facts[number]._replace(packet=packet)])
        packet = facts[number].packet._replace(correlation_id=b"h" + end)
        pending.add_edges([facts[number]._replace(packet=packet)])
    await writer.write(connection, pending, [])
    links = await select(connection, "call_link")
    assert {link["linked_id"] for link in links} == {"z" * MAX_TEXT_BYTES, "hx", "hy", "h\ufffd"}
