# SPDX-License-Identifier: GPL-2.0-or-later
"""Every flow of ``tests/flows`` gives the rows that its file states."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import sip
from tests import flow
from tests.fix_calls import LATER_US, SECOND_NODE, Ingests, Row, copies, repeats, select
from tests.flow import NODE, Flow
from tests.flow_rows import call_row, registration_row

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
NAMES = flow.names()
REQUEST_MISSING = ("setup-begun-late", "clocks-apart")
"""Flows in which responses were captured without their request."""
CALLS = [name for name in NAMES if flow.load(name).calls]


@pytest.mark.parametrize("name", NAMES)
def test_a_flow_is_made_of_complete_messages(name: str) -> None:
    """Readable SIP of one of its legs; a response has the Via and CSeq of a request before it."""
    read = flow.load(name)
    assert read.title
    asked = set()
    for message in read.messages:
        found = sip.extract(message.sip)
        assert found.fault is None
        assert found.call_id.decode() == read.legs[message.leg]
        key = message.leg, found.via_branch, found.cseq, found.method
        assert not found.status or key in asked or name in REQUEST_MISSING
        asked.add(key)


@pytest.mark.parametrize("name", NAMES)
async def test_a_flow_gives_the_stated_rows(
    name: str, ingests: Ingests, connection: Connection
) -> None:
    """All messages in order, in one batch."""
    read = flow.load(name)
    ingesting = await ingests.open()
    await ingesting.store(read.messages)
    await ingesting.write()
    await _check(connection, read)


@pytest.mark.parametrize("name", NAMES)
async def test_message_by_message_gives_the_same(
    name: str, ingests: Ingests, connection: Connection
) -> None:
    """As when each arrives long after the one before."""
    read = flow.load(name)
    ingesting = await ingests.open()
    for message in read.messages:
        await ingesting.store([message])
        await ingesting.write()
    await _check(connection, read)


@pytest.mark.parametrize("name", NAMES)
async def test_backwards_gives_the_same(
    name: str, ingests: Ingests, connection: Connection
) -> None:
    """The worst of orders, by two ingest processes in turn."""
    read = flow.load(name)
    both = [await ingests.open(0), await ingests.open(1)]
    for number, message in enumerate(reversed(read.messages)):
        await both[number % 2].store([message])
        await both[number % 2].write()
    await _check(connection, read)


@pytest.mark.parametrize("name", CALLS)
async def test_copies_of_a_second_capture_node_change_nothing_but_the_count(
    name: str, ingests: Ingests, connection: Connection
) -> None:
    """Each message comes twice, the copy a little later from another node: one row per leg."""
    read = flow.load(name)
    first, second = await ingests.open(node=1), await ingests.open(node=2)
    await second.store(copies(read.messages))
    await second.write()
    await first.store(read.messages)
    await first.write()
    await _check(connection, read, times=2)


async def _check(connection: Connection, read: Flow, times: int = 1) -> None:
    """One row per leg, as the flow states it, and no other row."""
    calls = await select(connection, "call")
    rows = {row["call_id"]: row for row in calls}
    assert len(calls) == len(read.calls)
    for expected in read.calls:
        row = rows[read.legs[expected.leg]]
        wanted = call_row(read, expected)
        wanted["messages"] *= times
        _compare(row, wanted, LATER_US if times > 1 else 0)
        assert repeats(row) == times * int(expected.values.get("repeats", 0))
    registrations = await select(connection, "registration")
    assert len(registrations) == len(read.registrations)
    for row, expected in zip(registrations, read.registrations, strict=True):
        _compare(row, registration_row(read, expected))
    links = await select(connection, "call_link")
    assert sorted(
        (row["call_id"], row["linked_id"], row["reason"], row["confidence"]) for row in links
    ) == sorted(
        (read.legs[link.leg], read.legs.get(link.other, link.other), link.reason, link.confidence)
        for link in read.links
    )


def _compare(row: Row, wanted: Row, slack_us: int = 0) -> None:
    """Times within ``slack_us``; with some, either copy may be the one that a group is about."""
    found = {name: row[name] for name in wanted}
    for name, value in wanted.items():
        if isinstance(value, float):
            wanted[name] = pytest.approx(value, abs=slack_us / 1000 + 1e-3)
        elif isinstance(value, datetime) and slack_us and found[name]:
            late = found[name] - value
            assert timedelta(0) <= late <= timedelta(microseconds=slack_us), name
            wanted[name] = found[name]
        elif name.endswith("_id") and isinstance(value, int) and slack_us:
            assert found[name] in (value, value + slack_us * 1000 + SECOND_NODE % 64 - NODE % 64)
            wanted[name] = found[name]
    assert found == wanted
