# SPDX-License-Identifier: GPL-2.0-or-later
"""Which call a media address belongs to."""

from __future__ import annotations

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.correlation import media
from collector.correlation.media import Endpoint, Wanted
from tests.quality_facts import ALICE, ALICE_RTCP, BOB, BOB_RTCP, START, call_facts, write

pytestmark = pytest.mark.one_database

NAT = bytes((203, 0, 113, 9))
MINUTE = 60_000_000
BOTH = Endpoint(ALICE, ALICE_RTCP), Endpoint(BOB, BOB_RTCP)


async def _call_of(
    connection: AsyncConnection[TupleRow], *endpoints: Endpoint, at: int = START
) -> str | None:
    """The Call-ID that is found for one stream, beside one that nobody knows."""
    nobody = Wanted((Endpoint(NAT, 9),), at)
    async with connection.cursor() as cursor:
        before, found, after = await media.find(cursor, [nobody, Wanted(endpoints, at), nobody])
    assert before is after is None
    return found and found.call_id


async def test_nothing_wanted(connection: AsyncConnection[TupleRow]) -> None:
    async with connection.cursor() as cursor:
        assert await media.find(cursor, []) == []
        assert await media.find(cursor, [Wanted((), START)]) == [None]
        unknown = Wanted((Endpoint(b"", 1), Endpoint(bytes(4), 1), Endpoint(ALICE, 0)), START)
        assert await media.find(cursor, [unknown]) == [None]


async def test_calls_over_before_begun_after_or_at_other_ports(
    connection: AsyncConnection[TupleRow],
) -> None:
    await write(
        connection,
        call_facts("over", at=START - 10 * MINUTE, ended=True),
        call_facts("later", at=START + MINUTE),
        call_facts("elsewhere", caller=("192.0.2.1", 40_002), callee=("198.51.100.2", 50_002)),
    )
    assert await _call_of(connection, *BOTH) is None


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        (BOTH, "call-1"),
        ((Endpoint(NAT, 1234), BOTH[1]), "call-1"),
        ((BOTH[0], Endpoint(NAT, 1234)), "call-1"),
        ((Endpoint(ALICE, 40_000), Endpoint(BOB, 50_000)), "call-1"),  # as RTP, or RFC 5761
        ((Endpoint(ALICE, 40_003), Endpoint(BOB, 49_999)), None),
        ((Endpoint(ALICE, BOB_RTCP), Endpoint(BOB, ALICE_RTCP)), None),
    ],
)
async def test_one_address_is_enough(
    connection: AsyncConnection[TupleRow],
    endpoints: tuple[Endpoint, ...],
    expected: str | None,
) -> None:
    await write(connection, call_facts())
    assert await _call_of(connection, *endpoints) == expected


async def test_addresses_of_ipv6(connection: AsyncConnection[TupleRow]) -> None:
    phone = bytes.fromhex("20010db8000000000000000000000009")
    await write(connection, call_facts("six", family=6, caller=("2001:db8::9", 4000)))
    assert await _call_of(connection, Endpoint(phone, 4001)) == "six"


async def test_the_call_with_both_addresses_wins(connection: AsyncConnection[TupleRow]) -> None:
    """Another began later, but only Alice is in it."""
    other = call_facts("other", at=START - 4_000_000, callee=("203.0.113.7", 6000))
    await write(connection, call_facts(), other)
    assert await _call_of(connection, *BOTH) == "call-1"


async def test_the_last_call_wins(connection: AsyncConnection[TupleRow]) -> None:
    """Of one without BYE and one at the same ports after it."""
    await write(connection, call_facts("stale", at=START - 60 * MINUTE), call_facts())
    assert await _call_of(connection, *BOTH) == "call-1"
    assert await _call_of(connection, *BOTH, at=START - 30 * MINUTE) == "stale"


async def test_reports_after_the_end(connection: AsyncConnection[TupleRow]) -> None:
    """The last ones come after BYE, but not ever."""
    await write(connection, call_facts(ended=True))
    assert await _call_of(connection, *BOTH, at=START + 20_000_000) == "call-1"
    assert await _call_of(connection, *BOTH, at=START + 2 * MINUTE) is None


async def test_the_search_uses_indexes_and_prunes_partitions(
    connection: AsyncConnection[TupleRow],
) -> None:
    """As it is sent, with a call that is too old in a partition of its own."""
    await write(connection, call_facts(), call_facts("old", at=START - 72 * 60 * MINUTE))
    await connection.execute("SET enable_seqscan = off")
    values = media.parameters([Wanted(BOTH, START)])
    found = await connection.execute("EXPLAIN (ANALYZE) " + media.FIND, values)
    plan = [line for (line,) in await found.fetchall()]
    asked = [line for line in plan if "Index Scan using call_" in line]
    assert asked
    assert not any("Seq Scan" in line for line in plan)
    old = [line for line in asked if "20251119" in line or "20251120" in line]
    assert old
    assert all("never executed" in line for line in old)
