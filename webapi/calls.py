# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}``: all messages of one Call-ID, and its exports."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web
from psycopg import sql
from psycopg.rows import DictRow

from webapi import export, rows
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError, bad_parameter
from webapi.parameters import single

QUERY: Final = sql.SQL(
    "SELECT {} FROM sip_message WHERE call_id = %s ORDER BY ts, id LIMIT %s"
).format(rows.COLUMNS)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@-]+")


async def show_call(request: web.Request) -> web.Response:
    """The messages in the order of capture; arrival decides between equal times."""
    single(request.query, ())
    found, complete = await _messages(request)
    return json_response(
        {
            "call_id": found[0]["call_id"],
            "from": rows.format_moment(found[0]["ts"]),
            "to": rows.format_moment(found[-1]["ts"]),
            "complete": complete,
            "messages": [rows.to_json(row) for row in found],
        }
    )


async def export_pcap(request: web.Request) -> web.Response:
    """The messages as a capture file for Wireshark: bytes, addresses, ports and µs as captured."""
    single(request.query, ())
    found, _ = await _messages(request)
    return _download(request, export.pcap(found), "application/vnd.tcpdump.pcap", "pcap")


async def export_text(request: web.Request) -> web.Response:
    """The messages as text, one after the other, each under a line with time and addresses."""
    single(request.query, ())
    found, _ = await _messages(request)
    return _download(request, export.text(found), "text/plain", "txt")


async def _messages(request: web.Request) -> tuple[list[DictRow], bool]:
    """The rows, at least one, and whether they are all."""
    call_id = request.match_info["call_id"]
    if "\0" in call_id:
        raise bad_parameter("call_id", "has control characters")
    context = request.app[CONTEXT]
    limit = context.settings.web.max_call_messages
    async with context.connection() as connection:
        found = await context.query(connection, QUERY, (call_id, limit + 1))
    if not found:
        raise ApiError(404, "not_found", "there is no message with this Call-ID", "call_id")
    return found[:limit], len(found) <= limit


def _download(request: web.Request, body: bytes, content_type: str, suffix: str) -> web.Response:
    name = _UNSAFE.sub("_", request.match_info["call_id"])[:100] or "call"
    return web.Response(
        body=body,
        content_type=content_type,
        charset="utf-8" if content_type.startswith("text/") else None,
        headers={"Content-Disposition": f'attachment; filename="{name}.{suffix}"'},
    )
