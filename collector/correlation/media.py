# SPDX-License-Identifier: GPL-2.0-or-later
"""Which call a media address belongs to, by the SDP of its first INVITE and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from collector.copy_binary import UNKNOWN_ADDRESSES
from collector.moment import from_us

LOOKBACK: Final = timedelta(hours=12)
"""A call that began longer ago is not found: each partition in between is asked."""
EARLY: Final = timedelta(seconds=10)
"""The clocks of two capture agents may be this far apart."""
LATE: Final = timedelta(seconds=60)
"""Reports come this long after the end of their call."""

# The call that has more of the addresses wins, then the one that began last: ports are used again.
FIND: Final = """
    SELECT DISTINCT ON (number) number, call_id, ts
      FROM (
        SELECT number, found.call_id, found.ts, found.started_at, count(*) AS addresses
          FROM unnest(%(number)s::int[], %(ip)s::inet[], %(port)s::int[], %(at)s::timestamptz[])
               AS wanted (number, ip, port, at)
         CROSS JOIN LATERAL (
            SELECT call_id, ts, started_at, coalesce(ended_at, timed_out_at) AS until FROM call
             WHERE caller_media_port = port AND caller_media_ip = ip
               AND ts BETWEEN at - %(lookback)s AND at + %(early)s
             UNION ALL
            SELECT call_id, ts, started_at, coalesce(ended_at, timed_out_at) FROM call
             WHERE callee_media_port = port AND callee_media_ip = ip
               AND ts BETWEEN at - %(lookback)s AND at + %(early)s
         ) AS found
         WHERE found.started_at <= at + %(early)s
           AND (found.until IS NULL OR found.until >= at - %(late)s)
         GROUP BY number, found.call_id, found.ts, found.started_at
      ) AS ranked
     ORDER BY number, addresses DESC, started_at DESC, call_id"""
"""With ``parameters``: number of each stream that was found, its call and what files it."""


class Endpoint(NamedTuple):
    """Where RTP, or RTCP, comes from or goes to."""

    ip: bytes
    """4 or 16 bytes."""
    port: int


class Wanted(NamedTuple):
    """A stream whose call is looked for."""

    endpoints: tuple[Endpoint, ...]
    at: int
    """When it was reported, µs since 1970."""


class Found(NamedTuple):
    """The call of a stream."""

    call_id: str
    ts: datetime
    """What its row is filed by."""


async def find(cursor: AsyncCursor[TupleRow], wanted: Iterable[Wanted]) -> list[Found | None]:
    """The call of each that ran at its time, or that ended shortly before.

    The port of an endpoint may be that of RTP, or of RTCP as the port after it (RFC 3550 §11). One
    endpoint that a call names is enough: the other may be behind NAT. Raises what psycopg raises.
    """
    streams = list(wanted)
    answers: list[Found | None] = [None] * len(streams)
    values = parameters(streams)
    if values["number"]:
        await cursor.execute(FIND, values)
        for number, call_id, ts in await cursor.fetchall():
            answers[number] = Found(call_id, ts)
    return answers


def parameters(wanted: Sequence[Wanted]) -> dict[str, Any]:
    """What ``FIND`` is asked with: an entry for each port that may be one of RTP."""
    rows: list[tuple[int, str, int, datetime]] = []
    for number, (endpoints, at) in enumerate(wanted):
        moment = from_us(at)
        for ip, port in endpoints:
            if ip not in UNKNOWN_ADDRESSES and port:
                text = str(ip_address(ip))
                rows.append((number, text, port, moment))
                if port % 2:
                    rows.append((number, text, port - 1, moment))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    values = dict(zip(("number", "ip", "port", "at"), columns, strict=True))
    return {**values, "lookback": LOOKBACK, "early": EARLY, "late": LATE}
