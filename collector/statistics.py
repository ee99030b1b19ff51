# SPDX-License-Identifier: GPL-2.0-or-later
"""``call_minute``: how many calls began in each minute, what became of them, how long it took.

A minute is never counted up but counted anew from ``call`` when calls of it have changed. Whoever
changes calls says so in ``call_changed`` in the same transaction, so no death of any process leaves
a minute wrong. Calls go on changing until they end, so the older a minute is the longer it waits:
that bounds how often it is counted, and costs little truth.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.correlation.writer import MOVED_LATER
from collector.peers import Peers
from collector.store import MAX_NODES, OTHER

SHORTEST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(minutes=10)
_WAIT_SHARE: Final = 0.25
"""Of a minute's age: from its first change on it waits so long, between the two limits."""
MAX_MINUTES: Final = 100
"""Minutes of one pass; the rest is for the next."""
_LOCK: Final = 0x63616C6C  # "call"

_Address = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface
_Key = tuple[str, str, str, str, int]
"""node, src_peer, dst_peer, state, status."""

_DUE: Final = """
    SELECT minute
      FROM call_changed
     GROUP BY minute
    HAVING min(marked_at) <= now() - least(
               greatest((min(marked_at) - minute) * %(share)s, %(shortest)s), %(longest)s)
     ORDER BY min(marked_at) LIMIT %(limit)s"""
_FORGET: Final = "DELETE FROM call_changed WHERE minute = %s"
_COUNT: Final = sql.SQL(
    """
    SELECT node, {addresses}, state, coalesce(status, 0), count(*),
           count(*) FILTER (WHERE pdd_ms >= 0), sum(pdd_ms) FILTER (WHERE pdd_ms >= 0),
           count(*) FILTER (WHERE setup_ms >= 0), sum(setup_ms) FILTER (WHERE setup_ms >= 0),
           count(*) FILTER (WHERE duration_ms >= 0),
           sum(duration_ms) FILTER (WHERE duration_ms >= 0)
      FROM call
     WHERE started_at >= %(begin)s AND started_at < %(end)s
       AND ts >= %(begin)s AND ts < %(filed)s
       AND first_rank <= 1
     GROUP BY 1, 2, 3, 4, 5
     ORDER BY 1, 2, 3, 4, 5
    """
)
_BY_ADDRESS: Final = _COUNT.format(addresses=sql.SQL("src_ip, dst_ip"))
_TOGETHER: Final = _COUNT.format(addresses=sql.SQL("NULL::inet, NULL::inet"))
_COLUMNS: Final = (
    *("minute", "node", "src_peer", "dst_peer", "state", "status", "calls"),
    *("pdd_calls", "pdd_ms", "setup_calls", "setup_ms", "duration_calls", "duration_ms"),
)
_INSERT: Final = sql.SQL("INSERT INTO call_minute ({}) VALUES ({})").format(
    sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    sql.SQL(", ").join([sql.Placeholder()] * len(_COLUMNS)),
)


async def refresh(
    connection: AsyncConnection[TupleRow], peers: Peers, budget_s: float = 2.0
) -> list[datetime]:
    """Count anew the minutes that have waited long enough; returns them.

    Several nodes may call it; one of them does it. Begins no further minute after ``budget_s``.
    """
    deadline = time.monotonic() + budget_s
    waits = {"share": _WAIT_SHARE, "shortest": SHORTEST_WAIT, "longest": LONGEST_WAIT}
    due = await connection.execute(_DUE, waits | {"limit": MAX_MINUTES})
    counted = []
    for (minute,) in await due.fetchall():
        async with connection.transaction():
            if not await _is_alone(connection):
                break
            # Calls that change from here on are named anew, and so is their minute counted again.
            named = await connection.execute(_FORGET, (minute,))
            if named.rowcount:
                await count(connection, minute, peers)
                counted.append(minute)
        if time.monotonic() > deadline:
            break
    return counted


async def count(connection: AsyncConnection[TupleRow], minute: datetime, peers: Peers) -> None:
    """Count one minute; call it in a transaction."""
    end = minute + timedelta(minutes=1)
    found = await connection.execute(
        _BY_ADDRESS if peers else _TOGETHER,
        {"begin": minute, "end": end, "filed": end + MOVED_LATER},
    )
    folded = _fold(await found.fetchall(), peers)
    await connection.execute("DELETE FROM call_minute WHERE minute = %s", (minute,))
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _INSERT, [(minute, *key, *figures) for key, figures in folded.items()]
        )


async def _is_alone(connection: AsyncConnection[TupleRow]) -> bool:
    found = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
    row = await found.fetchone()
    return bool(row and row[0])


def _fold(rows: Iterable[TupleRow], peers: Peers) -> dict[_Key, list[float]]:
    """Addresses by their names; of nodes, which anybody can invent, only so many."""
    folded: dict[_Key, list[float]] = {}
    nodes: set[str] = set()
    for node, src_ip, dst_ip, state, status, *figures in rows:
        if len(nodes) < MAX_NODES:
            nodes.add(node)
        name = node if node in nodes else OTHER
        key = (name, _name(peers, src_ip), _name(peers, dst_ip), state, status)
        sums = folded.setdefault(key, [0] * len(figures))
        for position, figure in enumerate(figures):
            sums[position] += figure or 0
    return folded


def _name(peers: Peers, address: _Address | None) -> str:
    return peers.name(address.packed) if address is not None else ""
