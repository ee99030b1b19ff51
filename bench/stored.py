# SPDX-License-Identifier: GPL-2.0-or-later
"""A database that has stored a day of calls: made in it by SQL, not captured.

Two legs each are one call through a B2BUA; the second names the first in every other call. The
partitions are those of two weeks, as many as a search may have to look at.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.partitions import Partitions
from collector.settings import Settings
from collector.tables import PARTITIONED

MESSAGES_PER_LEG: Final = 8
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
_OLDER: Final = timedelta(days=13)
_CHUNKS: Final = 144
"""Stretches of the day that are made one after the other, each in order of time."""
_TOLD: Final = 10
"""Times that it says how far it is."""
CALLERS: Final = 100_000
CALLEES: Final = 1_000_000
"""Different numbers; they repeat as often as there are legs for it."""
AGENT: Final = "Example Phone 1.2.3"
"""That of all callers."""

# Multipliers that are prime to the counts: numbers come back after the whole round.
_CALLER: Final = sql.SQL("'+4930' || lpad((n / 2 * 7919 %% {})::text, 7, '0')").format(
    sql.Literal(CALLERS)
)
_CALLEE: Final = sql.SQL("'004989' || lpad((n / 2 * 104729 %% {})::text, 7, '0')").format(
    sql.Literal(CALLEES)
)
_LEGS: Final = sql.SQL(
    """
    CREATE TEMP TABLE leg ON COMMIT DROP AS
    SELECT n, md5(n::text) || '@192.0.2.' || n %% 200 AS call_id,
           %(begin)s + (n - %(first)s::bigint) * %(apart)s AS at,
           {caller} AS caller, {callee} AS callee,
           ('192.0.2.' || n %% 200)::inet AS src, ('198.51.100.' || n %% 50)::inet AS dst
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    """
)
_CALLS: Final = sql.SQL("""
    INSERT INTO call (ts, call_id, started_at, last_at, messages, seen, first_rank, first_at,
        first_id, src_port, dst_port, src_ip, dst_ip, from_user, from_domain, from_tag, to_user,
        to_domain, ruri_user, ruri_domain, transport, node, user_agent, attempt_order, attempt_at,
        attempt_id, attempt_branch, trying_at, progress_at, ringing_at, answered_at, answer_id,
        answer_status, answer_ip, to_tag, answer_agent, confirmed_at, bye_at, bye_id, bye_ip,
        bye_tag, bye_confirmed_at, caller_media_rank, caller_media_at, caller_media_id,
        caller_media_ip, caller_media_port, caller_codecs)
    SELECT at, call_id, at, at + interval '65 s', 8, decode(md5(call_id), 'hex')
               || decode(md5(caller), 'hex'), 0, at, n, 5060, 5060, src, dst, caller,
           'example.com', substr(md5(caller), 1, 10), callee, 'example.net', callee,
           'example.net', 'UDP', '2001', {agent}, -1, at, n,
           'z9hG4bK' || substr(md5(callee), 1, 12), at + interval '1 ms',
           at + interval '800 ms', at + interval '800 ms', at + interval '5 s', n, 200, dst,
           substr(md5(callee), 1, 10), 'Example PBX 7', at + interval '5010 ms',
           at + interval '65 s', n, src, substr(md5(caller), 1, 10), at + interval '65010 ms',
           0, at, n, src, 10000 + (n % 20000)::int, 'PCMA/8000 telephone-event/8000'
      FROM leg ORDER BY at""").format(agent=sql.Literal(AGENT))
_KEYS: Final = "INSERT INTO call_key SELECT call_id, at FROM leg"
_MESSAGES: Final = sql.SQL("""
    INSERT INTO sip_message_call (ts, id, src_port, dst_port, cseq, status, src_ip, dst_ip,
        call_id, method, reason, transport, node, ruri_user, from_user, from_domain, from_tag,
        to_user, to_domain, user_agent, via_branch, raw)
    SELECT at + after, extract(epoch FROM at + after)::bigint * 1000000000 + n, 5060, 5060, cseq,
           status, src, dst, call_id, method, reason, 'UDP', '2001', callee, caller,
           'example.com', substr(md5(caller), 1, 10), callee, 'example.net',
           {agent}, 'z9hG4bK' || substr(md5(callee), 1, 12),
           convert_to(repeat(md5(call_id), 19), 'UTF8')
      FROM leg CROSS JOIN (VALUES
            (interval '0', 1, NULL::smallint, 'INVITE', NULL),
            ('1 ms', 1, 100::smallint, 'INVITE', 'Trying'),
            ('800 ms', 1, 180::smallint, 'INVITE', 'Ringing'),
            ('2 s', 1, 183::smallint, 'INVITE', 'Session Progress'),
            ('5 s', 1, 200::smallint, 'INVITE', 'OK'),
            ('5010 ms', 1, NULL::smallint, 'ACK', NULL),
            ('65 s', 2, NULL::smallint, 'BYE', NULL),
            ('65010 ms', 2, 200::smallint, 'BYE', 'OK')
        ) AS message (after, cseq, status, method, reason)
     ORDER BY 1""").format(agent=sql.Literal(AGENT))
_LINKS: Final = """
    INSERT INTO call_link (ts, call_id, linked_id, reason, confidence)
    SELECT leg.at, leg.call_id, before.call_id, 'header', 'certain'
      FROM leg JOIN leg AS before ON before.n = leg.n - 1
     WHERE leg.n % 4 = 3"""


class Leg(NamedTuple):
    """One that is stored."""

    call_id: str
    caller: str
    callee: str
    address: str
    """Where it came from."""
    at: datetime


def legs(connection: psycopg.Connection[Any], within: timedelta, count: int) -> list[Leg]:
    """So many from anywhere in the last stretch of the day, the same each time."""
    found = connection.execute(
        "SELECT call_id, caller, callee, host(src_ip), started_at FROM call"
        " WHERE started_at > (SELECT max(started_at) FROM call) - %s"
        " ORDER BY md5(call_id) LIMIT %s",
        (within, count),
    ).fetchall()
    return [Leg(*row) for row in found]


def size(connection: psycopg.Connection[Any]) -> int:
    """Bytes of the database."""
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def fill(dsn: str, messages: int) -> datetime:
    """Store so many messages of calls that began within a day; returns when that day ended.

    Says how far it is.
    """
    print(f"  storing {messages:,} messages …", flush=True)
    began = time.monotonic()
    end = datetime.now(UTC).replace(microsecond=0)
    begin = end - DAY
    asyncio.run(_make_partitions(dsn, begin - _OLDER, end + timedelta(minutes=2)))
    legs = messages // MESSAGES_PER_LEG
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET work_mem TO '256MB'")
        connection.execute("SET synchronous_commit TO off")
        for chunk in range(_CHUNKS):
            first, after = (legs * number // _CHUNKS for number in (chunk, chunk + 1))
            values = {
                "first": first,
                "last": after - 1,
                "begin": begin + DAY * first / legs,
                "apart": DAY / legs,
            }
            with connection.transaction():
                connection.execute(_LEGS.format(caller=_CALLER, callee=_CALLEE), values)
                for statement in (_CALLS, _KEYS, _MESSAGES, _LINKS):
                    connection.execute(statement)
            if after * _TOLD // legs > first * _TOLD // legs:
                spent = time.monotonic() - began
                print(f"  {after / legs:4.0%} after {spent:.0f} s", flush=True)
        # What autovacuum would have done within the day.
        connection.execute("VACUUM ANALYZE")
    print(f"  stored within {time.monotonic() - began:.0f} s", flush=True)
    return end


async def _make_partitions(dsn: str, begin: datetime, end: datetime) -> None:
    partitions = Partitions(Settings().partition.interval)
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        for table in PARTITIONED:
            await _make(connection, partitions, table.name, begin, end)


async def _make(
    connection: AsyncConnection[TupleRow],
    partitions: Partitions,
    table: str,
    begin: datetime,
    end: datetime,
) -> None:
    while begin < end:  # a day at a time: each takes its locks
        await partitions.ensure(connection, table, begin, min(begin + DAY, end))
        begin += DAY
