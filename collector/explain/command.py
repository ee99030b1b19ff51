# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector explain CALL-ID``: an explanation of what the database has."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow, dict_row

from collector import migrate
from collector.columns import SIP_MESSAGE
from collector.explain import explain, to_json
from collector.explain.message import fold, from_row
from collector.explain.report import report
from collector.log import one_line
from collector.quality.verdict import verdict
from collector.settings import Settings

_MESSAGES: Final = sql.SQL(
    "SELECT {} FROM sip_message WHERE call_id = %s ORDER BY ts, id LIMIT %s"
).format(sql.SQL(", ").join(sql.Identifier(column.name) for column in SIP_MESSAGE))
_CALL: Final = "SELECT * FROM call WHERE call_id = %s LIMIT 1"
_STREAMS: Final = "SELECT * FROM rtp_stream WHERE call_id = %s LIMIT %s"
_LINKS: Final = "SELECT * FROM call_link WHERE call_id = %s ORDER BY reason, linked_id LIMIT 100"


class Stored(NamedTuple):
    """What the database has of a Call-ID, by column name."""

    messages: list[DictRow]
    call: DictRow | None
    streams: list[DictRow]
    links: list[DictRow]


def run(settings: Settings, call_id: str, *, as_json: bool) -> int:
    """Print the explanation; returns 1 when nothing has this Call-ID."""
    call_id = call_id.encode("utf-8", "replace").decode()
    limit = settings.web.max_call_messages
    stored = asyncio.run(_read(settings, call_id, limit))
    if not stored.messages:
        sys.stderr.write(f"no message with the Call-ID {one_line(call_id)} is stored\n")
        return 1
    explanation = explain(
        stored.messages[:limit],
        call=stored.call,
        quality=verdict(stored.streams, stored.call),
        links=stored.links,
        complete=len(stored.messages) <= limit,
    )
    if as_json:
        told: dict[str, Any] = {"call_id": call_id, **to_json(explanation)}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        messages = fold([from_row(row) for row in stored.messages[:limit]])
        sys.stdout.write(report(call_id, explanation, messages))
    return 0


async def _read(settings: Settings, call_id: str, limit: int) -> Stored:
    async with await AsyncConnection.connect(
        settings.database.dsn,
        autocommit=True,
        connect_timeout=int(settings.database.connect_timeout),
        options="-c default_transaction_read_only=on -c timezone=UTC",
    ) as connection:
        await migrate.check(connection)
        async with connection.cursor(row_factory=dict_row) as cursor:
            messages = await (await cursor.execute(_MESSAGES, (call_id, limit + 1))).fetchall()
            call = await (await cursor.execute(_CALL, (call_id,))).fetchone()
            streams = await (await cursor.execute(_STREAMS, (call_id, limit))).fetchall()
            links = await (await cursor.execute(_LINKS, (call_id,))).fetchall()
    return Stored(messages, call, streams, links)
