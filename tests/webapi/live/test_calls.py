# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/live/calls``: messages through the real correlation into a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests import flow
from tests.fix_api import Get
from tests.fix_calls import Ingesting, Ingests
from tests.fix_live import Serve, Stream
from tests.flow import Message

Connection = AsyncConnection[TupleRow]


def _session(run: int = 0) -> list[Message]:
    """INVITE, 180, 200, ACK, BYE, 200 of a call that begins now; ``run`` makes the Call-ID."""
    return flow.load("session-direct", run, datetime.now(UTC)).messages


def _call_id(messages: list[Message]) -> str:
    """The Call-ID of a flow with one leg."""
    (line,) = [line for line in messages[0].sip.splitlines() if line.startswith(b"Call-ID:")]
    return line.partition(b":")[2].strip().decode()


async def _write(ingest: Ingesting, *messages: Message) -> None:
    await ingest.store(messages)
    await ingest.write()


async def _call(stream: Stream) -> dict[str, Any]:
    event = await stream.next()
    assert event.name == "call", event
    assert isinstance(event.data, dict)
    return event.data


async def test_a_call_comes_with_each_of_its_states(
    serve: Serve, ingests: Ingests, get: Get
) -> None:
    """trying, ringing, answered, completed; at the end as the search shows it."""
    service = await serve()
    ingest = await ingests.open()
    invite, ringing, ok, ack, bye, gone = _session()
    async with service.open("calls") as stream:
        states = []
        for messages in ((invite,), (ringing,), (ok, ack), (bye, gone)):
            await _write(ingest, *messages)
            shown = await _call(stream)
            states.append(shown["state"])
    assert states == ["trying", "ringing", "answered", "completed"]
    found = await get("/api/v1/calls", call_id=shown["call_id"])
    assert found.json["calls"] == [shown]


async def test_a_call_that_was_shown_is_shown_when_its_filter_no_longer_holds(
    serve: Serve, ingests: Ingests
) -> None:
    """Else a list of running calls would keep it for ever."""
    service = await serve()
    ingest = await ingests.open()
    invite, ringing, ok, ack, bye, gone = _session()
    async with (
        service.open("calls", running="true") as running,
        service.open("calls", state="ringing") as ringing_only,
        service.open("calls", caller="nobody") as nobodys,
    ):
        await _write(ingest, invite)
        assert (await _call(running))["state"] == "trying"
        await _write(ingest, ringing)
        assert [(await _call(s))["state"] for s in (running, ringing_only)] == ["ringing"] * 2
        await _write(ingest, ok, ack, bye, gone)
        assert [(await _call(s))["state"] for s in (running, ringing_only)] == ["completed"] * 2
        service.live.ended = True
        with pytest.raises(EOFError):
            await nobodys.next()


async def test_a_call_that_times_out_is_shown(
    serve: Serve, ingests: Ingests, connection: Connection
) -> None:
    """No message tells of it."""
    service = await serve()
    ingest = await ingests.open()
    async with service.open("calls") as stream:
        await _write(ingest, *_session()[:2])
        call_id = (await _call(stream))["call_id"]
        await connection.execute(
            "UPDATE call SET timed_out_at = last_at WHERE call_id = %s", [call_id]
        )
        assert (await _call(stream))["state"] == "timed_out"


async def test_calls_of_two_nodes_come_once_for_each_change(serve: Serve, ingests: Ingests) -> None:
    """Whoever writes them; calls whose messages are stored and which are not written yet wait."""
    service = await serve()
    one, two = await ingests.open(), await ingests.open(process=1, node=2)
    first, second = _session(), _session(run=1)
    async with service.open("calls") as stream:
        await one.store(first[:1])
        await _write(two, second[0])
        assert (await _call(stream))["call_id"] == _call_id(second)
        await one.write()
        assert (await _call(stream))["call_id"] == _call_id(first)
        await _write(two, first[1])
        shown = await _call(stream)
    assert (shown["call_id"], shown["state"], shown["messages"]) == (_call_id(first), "ringing", 2)


async def test_a_client_that_comes_again_gets_the_calls_that_have_changed(
    serve: Serve, ingests: Ingests
) -> None:
    """Each once, as it is now; those that it has seen and which are the same do not come."""
    service = await serve()
    ingest = await ingests.open()
    first, second = _session(), _session(run=1)
    async with service.open("calls") as stream:
        await _write(ingest, first[0])
        await _write(ingest, second[0])
        await stream.next()
        last_id = (await stream.next()).id
    await _write(ingest, second[1])
    await _write(ingest, *second[2:])
    async with service.open("calls", last_id=last_id) as again:
        shown = await _call(again)
        assert (shown["call_id"], shown["state"]) == (_call_id(second), "completed")
        assert (await again.next()).name == "ready"
