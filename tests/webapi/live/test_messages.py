# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/live/messages`` over a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from tests.fix_api import Get, store
from tests.fix_database import Database
from tests.fix_live import Serve, Stream, message
from tests.sip_text import DESTINATION, SOURCE

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
END = 99
"""CSeq of a message after which no other is expected."""


class _Ingest:
    """One more ingest process, whose transactions the test begins and ends."""

    def __init__(self, connection: Connection, process: int) -> None:
        self._connection = connection
        self._process = process

    async def store(self, *numbers: int, late_s: float = 0) -> None:
        """Store messages with these CSeq numbers; they are not committed."""
        if self._connection.info.transaction_status == TransactionStatus.IDLE:
            await self._connection.execute("BEGIN")
        packets = [message(number, late_s) for number in numbers]
        await store(self._connection, packets, process=self._process)

    async def commit(self) -> None:
        """Commit what was stored."""
        await self._connection.execute("COMMIT")


@asynccontextmanager
async def _ingest(database: Database, process: int) -> AsyncIterator[_Ingest]:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as opened:
        yield _Ingest(opened, process)


async def _rest(stream: Stream, connection: Connection) -> list[int]:
    """The CSeq numbers of all that comes up to now."""
    await store(connection, [message(END)])
    found: list[int] = []
    while END not in found:
        found += await stream.cseqs(1)
    return found[:-1]


async def test_names_of_hosts_come_with_messages_and_find_them(
    serve: Serve, connection: Connection
) -> None:
    """As in a search."""
    await connection.execute("INSERT INTO alias (name, network) VALUES ('pbx', '192.0.2.1')")
    service = await serve()
    async with service.open(src_alias="pbx") as stream, service.open(dst_alias="pbx") as other:
        await store(connection, [message(1), message(2, src_ip=DESTINATION, dst_ip=SOURCE)])
        for opened, name, number in ((stream, "src_name", 1), (other, "dst_name", 2)):
            event = await opened.next()
            assert (event.data["cseq"], event.data[name]) == (number, "pbx")


async def test_new_messages_come_as_the_search_shows_them(
    serve: Serve, connection: Connection, get: Get
) -> None:
    """What was there before does not come."""
    await store(connection, [message(1)])
    service = await serve()
    async with service.open() as stream:
        await store(connection, [message(2)])
        (event,) = await stream.until("message")
    found = (await get("/api/v1/messages")).json["messages"]
    assert [row["cseq"] for row in found] == [2, 1]
    assert event.data == found[0]
    assert event.id
    assert stream.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.response.headers["X-Accel-Buffering"] == "no"


async def test_transactions_that_end_out_of_order_are_shown_whole_and_once(
    serve: Serve, connection: Connection, database: Database
) -> None:
    """The first one to begin ends last, and what it has written is older than what was shown.

    What it writes after a savepoint has a number of its own, which no snapshot lists.
    """
    service = await serve()
    async with (
        _ingest(database, 1) as first,
        _ingest(database, 2) as second,
        service.open() as stream,
    ):
        await first.store(1, late_s=5)
        await first.store(2)
        await second.store(3)
        await store(connection, [message(4)])
        assert await stream.cseqs(1) == [4]
        await second.store(5, late_s=3)
        await second.commit()
        assert await stream.cseqs(2) == [5, 3]
        await store(connection, [message(6)])
        assert await stream.cseqs(1) == [6]
        await first.commit()
        assert await stream.cseqs(2) == [1, 2]
        assert await _rest(stream, connection) == []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"method": "REGISTER"}, [2]),
        ({"kind": "call,registration"}, [1, 2]),
        ({"call_id": "live-3@test"}, [3]),
        ({"from_user": "a*", "src_ip": "192.0.2.0/24"}, [1, 2, 3]),
        ({"text": "branch=z9hG4bK-1"}, [1]),
        ({"to_user": "nobody"}, []),
    ],
)
async def test_the_filters_of_the_search_hold(
    serve: Serve, connection: Connection, parameters: dict[str, str], expected: list[int]
) -> None:
    """Every client has its own, and one that asks for everything says when all has come."""
    service = await serve()
    async with service.open(**parameters) as stream, service.open() as everything:
        await store(
            connection, [message(1), message(2, method="REGISTER"), message(3, method="OPTIONS")]
        )
        await everything.cseqs(3)
        # Both are told in the same moment, so what is to come has been offered.
        service.live.ended = True
        assert await stream.cseqs(len(expected)) == expected
        with pytest.raises(EOFError):
            await stream.next()


async def test_raw_comes_when_it_is_asked_for(serve: Serve, connection: Connection) -> None:
    """By this client and not by another."""
    service = await serve()
    async with service.open(raw="true") as with_raw, service.open() as without:
        await store(connection, [message(1)])
        assert "z9hG4bK-1" in (await with_raw.next()).data["raw"]
        assert "raw" not in (await without.next()).data


async def test_what_is_too_much_for_a_second_is_counted(
    serve: Serve, connection: Connection
) -> None:
    """The first ones are shown; each client has its own share."""
    service = await serve(WEB_LIVE_MAX_ROWS="2")
    async with service.open() as stream, service.open(call_id="live-5@test") as narrow:
        await store(connection, [message(number) for number in range(1, 6)])
        events = await stream.until("skipped")
        assert [event.data["cseq"] for event in events[:-1]] == [1, 2]
        assert events[-1].data == {"messages": 3}
        assert await narrow.cseqs(1) == [5]


async def test_a_client_that_comes_again_misses_nothing_and_gets_nothing_twice(
    serve: Serve, connection: Connection, database: Database
) -> None:
    """Wherever it was cut off, and when another has read on meanwhile."""
    service = await serve()
    async with _ingest(database, 1) as late, service.open() as other:
        async with service.open() as stream:
            await late.store(1)
            await store(connection, [message(2), message(3), message(4)])
            first, _ = await stream.next(), await stream.next()
        assert first.data["cseq"] == 2
        await store(connection, [message(5)])
        assert await other.cseqs(4) == [2, 3, 4, 5]
        await late.commit()
        await other.cseqs(1)
        async with service.open(last_id=first.id) as again:
            events = await again.until("ready")
            assert sorted(e.data["cseq"] for e in events[:-1]) == [1, 3, 4, 5]
            assert await _rest(again, connection) == []


async def test_a_client_that_comes_again_to_another_process_misses_nothing(
    serve: Serve, connection: Connection
) -> None:
    """The id says all that is needed: a restart of the service is no gap."""
    before = await serve()
    async with before.open() as stream:
        await store(connection, [message(1)])
        (event,) = await stream.until("message")
    await store(connection, [message(2)])
    after = await serve()
    async with after.open(last_id=event.id) as again:
        assert [found.name for found in await again.until("ready")] == ["message", "ready"]


@pytest.mark.parametrize("last_id", ["garbage", "W10", "e30", "1", "W1swLFtdLDAsMF0sW10sW11d"])
async def test_a_gap_is_said(serve: Serve, connection: Connection, last_id: str) -> None:
    """When an id is none, is of another stream, or too old."""
    await store(connection, [message(1)])
    service = await serve()
    async with service.open(last_id=last_id) as stream:
        assert [event.name for event in await stream.until("ready")] == ["gap", "ready"]


async def test_only_filters_are_parameters(serve: Serve) -> None:
    """There is no page and no range of time in a stream."""
    service = await serve()
    for name, value in (("from", "-1h"), ("limit", "5"), ("sort", "ts"), ("status", "7xx")):
        answer = await service.get("messages", **{name: value})
        assert (answer.status, answer.json["error"]["field"]) == (400, name)
