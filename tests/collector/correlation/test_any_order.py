# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever the order of a call's messages and whoever stores them, the rows are the same."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.correlation import upkeep
from tests import flow
from tests.fix_api import load_settings
from tests.fix_calls import HALF_HOUR, Ingesting, Ingests, Row, comparable, copies, select
from tests.fix_database import Database
from tests.flow import Message

Connection = AsyncConnection[TupleRow]
Rows = dict[str, list[Row]]

WRITERS: Final = 2
TABLES: Final = ("call", "registration", "call_link")
MESSAGE_TABLES: Final = ("sip_message_call", "sip_message_registration", "sip_message_other")
BORDER: Final = datetime(2026, 3, 11, tzinfo=UTC)
"""Where one partition ends and the next begins: midnight, and half an hour later again."""
STRETCHES: Final = (1, 60, 1000)
"""A call of a minute becomes one of an hour, or of a day: over many partitions, and longer than a
row may be filed behind the leg's beginning."""


LINKED: Final = [name for name in flow.names() if flow.load(name).links]


class Turn(NamedTuple):
    """One message on its way, and what is written after it."""

    message: Message
    writer: int
    stored: bool
    """Whether the writer's messages up to here are stored now, in one batch."""
    written: frozenset[int]
    """Writers that write what is pending now, at once."""


@st.composite
def _turns(draw: st.DrawFn, names: list[str]) -> list[Turn]:
    """All messages of a flow, in any order and any batches, over two writers."""
    read = flow.load(draw(st.sampled_from(names)))
    begin = read.messages[0].us
    stretch = draw(st.sampled_from(STRETCHES))
    # The border lies before, within or behind the flow.
    span = (read.messages[-1].us - begin) * stretch
    start = round(BORDER.timestamp() * 1e6) - draw(st.integers(0, max(1, span)))
    messages = [
        message._replace(us=start + (message.us - begin) * stretch) for message in read.messages
    ]
    if draw(st.booleans()):
        messages += copies(messages)
    writes = st.frozensets(st.integers(0, WRITERS - 1))
    return [
        Turn(message, draw(st.integers(0, WRITERS - 1)), draw(st.booleans()), draw(writes))
        for message in draw(st.permutations(messages))
    ]


def _examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@_examples(60)
@given(turns=_turns(flow.names()))
async def test_any_order_gives_the_same_rows(
    ingests: Ingests, connection: Connection, turns: list[Turn]
) -> None:
    """Two ingest processes, in any batches, against one that takes all messages in order."""
    await _compare(ingests, connection, turns)


@_examples(25)
@given(turns=_turns(LINKED))
async def test_any_order_gives_the_same_links(
    ingests: Ingests, connection: Connection, turns: list[Turn]
) -> None:
    """The same for the few flows with legs that belong together."""
    await _compare(ingests, connection, turns)


async def test_two_processes_write_the_same_calls_at_once(
    ingests: Ingests, connection: Connection
) -> None:
    """Each has half of the messages of 200 calls, and they write at the same moment, many times."""
    writers = [await ingests.open(number) for number in range(WRITERS)]
    flows = [flow.load("two-proxies", run) for run in range(1, 201)]
    for step in range(len(flows[0].messages)):
        messages = [read.messages[step] for read in flows]
        await asyncio.gather(
            writers[0].store(messages[step % 2 :: 2]), writers[1].store(messages[1 - step % 2 :: 2])
        )
        await asyncio.gather(*(writer.write() for writer in writers))
    rows = await select(connection, "call")
    assert len(rows) == len(flows)
    assert {(row["state"], row["messages"], row["ended_by"]) for row in rows} == {
        ("completed", len(flows[0].messages), "callee")
    }


async def test_forgotten_keys_do_not_make_a_second_row(
    ingests: Ingests, connection: Connection, database: Database
) -> None:
    """After days of outage two processes read the journal, and keys go while they do."""
    begins = datetime.now(UTC) - timedelta(days=2)
    read = flow.load("two-proxies", begins=begins)
    writers = [await ingests.open(number) for number in range(WRITERS)]
    for number, message in enumerate(read.messages):
        await writers[number % WRITERS].store([message])
        await writers[number % WRITERS].write()
        await upkeep.keep(connection, load_settings(database), datetime.now(UTC))
        assert not await select(connection, "call_key")
    (row,) = await select(connection, "call")
    assert (row["state"], row["messages"]) == ("completed", len(read.messages))


async def test_links_are_filed_with_their_leg(ingests: Ingests, connection: Connection) -> None:
    """Also when its first half comes hours late and the leg is filed anew."""
    read = flow.load("b2bua-header", begins=BORDER - timedelta(seconds=5))
    first, second = await ingests.open(0), await ingests.open(1)
    late = [
        message._replace(us=message.us + round(2 * HALF_HOUR * 1e6))
        for message in read.messages[4:]
    ]
    await first.store(late)
    await first.write()
    await second.store(read.messages[:4])
    await second.write()
    await first.store(read.messages[2:3])
    await first.write()
    calls = await select(connection, "call")
    assert [row["ts"] for row in calls] == [row["started_at"] for row in calls]
    (link,) = await select(connection, "call_link")
    assert link["ts"] == next(row["ts"] for row in calls if row["call_id"] == link["call_id"])


async def _compare(ingests: Ingests, connection: Connection, turns: list[Turn]) -> None:
    while len(ingests.opened) < WRITERS:
        number = len(ingests.opened)
        await ingests.open(number, number + 1)
    await _in_order(ingests.opened[0], turns)
    expected = await _rows(connection)
    await _forget(ingests, connection)
    await _in_turns(ingests.opened, turns)
    found = await _rows(connection)
    await _forget(ingests, connection)
    assert found == expected


async def _in_order(writer: Ingesting, turns: list[Turn]) -> None:
    await writer.store(sorted((turn.message for turn in turns), key=lambda message: message.id))
    await writer.write()


async def _in_turns(writers: list[Ingesting], turns: list[Turn]) -> None:
    waiting: list[list[Message]] = [[] for _ in writers]
    for turn in turns:
        waiting[turn.writer].append(turn.message)
        if turn.stored:
            await writers[turn.writer].store(waiting[turn.writer])
            waiting[turn.writer] = []
        await asyncio.gather(*(writers[number].write() for number in turn.written))
    for writer, messages in zip(writers, waiting, strict=True):
        await writer.store(messages)
    await asyncio.gather(*(writer.write() for writer in writers))


async def _rows(connection: Connection) -> Rows:
    """All rows, in an order of their own; where they are filed apart."""

    def order(row: Row) -> str:
        return "\0".join(str(row.get(name)) for name in ("call_id", "aor", "linked_id", "reason"))

    rows: dict[str, Any] = {
        table: sorted(map(comparable, await select(connection, table)), key=order)
        for table in TABLES
    }
    rows["filed"] = len(await select(connection, "call_key"))
    return rows


async def _forget(ingests: Ingests, connection: Connection) -> None:
    for table in (*TABLES, "call_key", *MESSAGE_TABLES):
        await connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608
    for writer in ingests.opened:
        await writer.prepare()
