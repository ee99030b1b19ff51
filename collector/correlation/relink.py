# SPDX-License-Identifier: GPL-2.0-or-later
"""Links for calls that are stored already, by the rules that the settings have now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import sip
from collector.correlation.fact import Fact
from collector.correlation.leg import METHODS
from collector.correlation.pending import Pending
from collector.correlation.writer import Writer
from collector.hep import PROTOCOL_UDP, TYPE_SIP, Hep
from collector.selection.headers import Headers
from collector.settings import Settings

_SLICE: Final = timedelta(minutes=1)
_FETCHED: Final = 1000
_UNKNOWN: Final = bytes(4)

_MESSAGES: Final = """
    SELECT call_id, correlation_id, raw FROM sip_message_call
     WHERE ts >= %s AND ts < %s AND method = ANY(%s)"""

Progress = Callable[[datetime, int, int], None]
"""Told after each minute of messages: how far, messages read, new links, since the beginning."""


async def relink(
    connection: AsyncConnection[TupleRow],
    settings: Settings,
    first: datetime,
    last: datetime,
    progress: Progress,
) -> int:
    """Read the messages from ``first`` to ``last`` again; returns how many links are new.

    Links that are there stay. Can be stopped and run again at any time.
    """
    headers = Headers(settings.correlation.headers, ())
    methods = [method.decode() for method in METHODS]
    writer = Writer(settings.partition.interval)
    await writer.prepare(connection)
    at, read, new = first, 0, 0
    while at < last:
        end = min(at + _SLICE, last)
        pending = Pending()
        async with (
            connection.transaction(),
            connection.cursor(name="relink", binary=True) as cursor,
        ):
            await cursor.execute(_MESSAGES, (at, end, methods))
            while rows := await cursor.fetchmany(_FETCHED):
                read += len(rows)
                pending.add_edges(
                    _fact(headers, settings.sip.max_field_bytes, *row) for row in rows
                )
        new += await writer.link(connection, pending)
        at = end
        progress(at, read, new)
    return new


def _fact(
    headers: Headers, max_field_bytes: int, call_id: str, correlation_id: str | None, raw: bytes
) -> Fact:
    """As much of a stored message as links are made of."""
    found = headers.find(raw, max_field_bytes)
    packet = Hep(
        *(3, PROTOCOL_UDP, _UNKNOWN, _UNKNOWN, 0, 0, 0, 0, TYPE_SIP, 0, raw),
        correlation_id=(correlation_id or "").encode(),
    )
    return Fact(
        ts=0,
        record_id=0,
        call_id=call_id.encode(),
        packet=packet,
        message=sip.extract(raw),
        node=b"",
        aleg_id=found.aleg_id,
        headers=b"",
        aleg_header=found.aleg_header,
    )
