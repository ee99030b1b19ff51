# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeping failures only."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.retention import thinning
from collector.retention.thinning import LONGEST_STEP, REASON, thin
from tests.fix_api import store
from tests.fix_database import Database
from tests.sip_text import packet, request

Connection = AsyncConnection[TupleRow]
METHODS = ("REGISTER", "OPTIONS")
AFTER = 60.0


async def _exchange(
    connection: Connection, call_id: str, *statuses: int, method: str = "REGISTER", ago: float = 90
) -> None:
    """A request ``ago`` seconds ago and its responses 0.1 s apart."""
    message = request(method, call_id)
    line = message.partition(b"\r\n")[0]
    begin = time.time() - ago
    packets = [packet(message, at=begin)]
    packets += [
        packet(message.replace(line, b"SIP/2.0 %d X" % status), at=begin + 0.1 * number)
        for number, status in enumerate(statuses, 1)
    ]
    await store(connection, packets)


async def _left(connection: Connection) -> dict[str, int]:
    found = await connection.execute("SELECT call_id, count(*) FROM sip_message GROUP BY call_id")
    return dict(await found.fetchall())


async def test_what_went_well_is_removed_and_failures_stay(connection: Connection) -> None:
    """Challenges are no failures; silence is one."""
    await _exchange(connection, "good", 100, 200)
    await _exchange(connection, "challenged", 401)
    await _exchange(connection, "challenged", 200, ago=89)
    await _exchange(connection, "wrong-password", 401)
    await _exchange(connection, "forbidden", 401, 403)
    await _exchange(connection, "busy-later", 200, 503)
    await _exchange(connection, "unanswered")
    await _exchange(connection, "trying", 100)
    await _exchange(connection, "alive", 200, method="OPTIONS")
    await _exchange(connection, "call", 200, method="INVITE")
    await _exchange(connection, "message", 200, method="MESSAGE")
    steps = await thin(connection, METHODS, AFTER)
    assert await _left(connection) == {
        "wrong-password": 2,
        "forbidden": 3,
        "busy-later": 3,
        "unanswered": 1,
        "trying": 2,
        "call": 2,
        "message": 2,
    }
    assert {step.table: step.removed for step in steps} == {
        "sip_message_registration": 7,
        "sip_message_other": 2,
    }


async def test_what_is_young_stays_until_it_is_old(connection: Connection) -> None:
    """So that a running registration can be watched."""
    await _exchange(connection, "young", 200, ago=30)
    await thin(connection, METHODS, AFTER)
    assert await _left(connection) == {"young": 2}
    await thin(connection, METHODS, 20)
    assert await _left(connection) == {}


async def test_an_exchange_across_the_border_of_two_steps(connection: Connection) -> None:
    """Is removed whole: the verdict looks further than the step."""
    await _exchange(connection, "border", 200, ago=62.05)
    await thin(connection, METHODS, 62)
    assert await _left(connection) == {"border": 1}, "the border is not where the test wants it"
    await thin(connection, METHODS, 30)
    assert await _left(connection) == {}


async def test_a_long_pause_is_made_up_for_in_steps(connection: Connection) -> None:
    """No transaction is longer than one of them."""
    begin = datetime.now(UTC) - 3 * LONGEST_STEP
    await connection.execute(
        "INSERT INTO thinning VALUES ('sip_message_registration', %s)", (begin,)
    )
    for minute in range(1, 15):
        await _exchange(connection, str(minute), 200, ago=60 * minute)
    lengths = []
    while steps := await thin(connection, ("REGISTER",), 1):
        lengths.append(steps[0].end - steps[0].begin)
        if lengths[-1] < LONGEST_STEP:
            break
    assert len(lengths) == 3
    assert max(lengths) == LONGEST_STEP
    assert await _left(connection) == {}


async def test_two_nodes_remove_everything_once(database: Database, connection: Connection) -> None:
    """And count it once."""
    for number in range(20):
        await _exchange(connection, str(number), 200)

    async def work() -> None:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as own:
            await thin(own, METHODS, AFTER)

    await asyncio.gather(*(work() for _ in range(4)))
    assert await _left(connection) == {}
    found = await connection.execute("SELECT kind, reason, messages FROM retention_dropped")
    assert await found.fetchall() == [("registration", REASON, 40)]


async def test_only_the_partitions_of_the_time_are_read(connection: Connection) -> None:
    """The statement is bounded by time on both sides."""
    text = thinning._REMOVE.as_string(connection)
    assert text.count("ts >=") == 2
    assert text.count("ts <") == 2
    await _exchange(connection, "old", 200, ago=timedelta(days=1).total_seconds())
    await thin(connection, METHODS, AFTER)
    assert await _left(connection) == {"old": 2}
