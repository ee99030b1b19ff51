# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}``: all that is known of one Call-ID, and its exports."""

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
from webapi.subject import MESSAGES, OF_CALL_ID, REPORTS, Subject

QUERIES: Final = {
    subject: sql.SQL("SELECT {} FROM {} WHERE call_id = %s ORDER BY ts, {} LIMIT %s").format(
        # A report's payload says nothing that its columns do not say.
        subject.select(payload=subject is not REPORTS),
        subject.relation,
        sql.SQL(", ").join(map(sql.Identifier, subject.order)),
    )
    for subject in OF_CALL_ID
}
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@-]+")


async def show_call(request: web.Request) -> web.Response:
    """Messages, quality reports and events, each in the order of capture, then of arrival.

    Reports and events are those whose HEP correlation id is the Call-ID.
    """
    single(request.query, ())
    found, complete = await _read(request, OF_CALL_ID)
    moments = [row["ts"] for listed in found for row in listed]
    if not moments:
        raise ApiError(404, "not_found", "nothing has this Call-ID", "call_id")
    return json_response(
        {
            "call_id": request.match_info["call_id"],
            "from": rows.format_moment(min(moments)),
            "to": rows.format_moment(max(moments)),
            "complete": complete,
            **{
                subject.name: [rows.to_json(row) for row in listed]
                for subject, listed in zip(OF_CALL_ID, found, strict=True)
            },
        }
    )


async def export_pcap(request: web.Request) -> web.Response:
    """The messages as a capture file for Wireshark: bytes, addresses, ports and µs as captured."""
    single(request.query, ())
    found = await _messages(request)
    return _download(request, export.pcap(found), "application/vnd.tcpdump.pcap", "pcap")


async def export_text(request: web.Request) -> web.Response:
    """The messages as text, one after the other, each under a line with time and addresses."""
    single(request.query, ())
    found = await _messages(request)
    return _download(request, export.text(found), "text/plain", "txt")


async def _messages(request: web.Request) -> list[DictRow]:
    """The messages, at least one."""
    (found,), _ = await _read(request, (MESSAGES,))
    if not found:
        raise ApiError(404, "not_found", "there is no message with this Call-ID", "call_id")
    return found


async def _read(
    request: web.Request, subjects: tuple[Subject, ...]
) -> tuple[list[list[DictRow]], bool]:
    """The rows of each subject up to the limit, and whether they are all."""
    call_id = request.match_info["call_id"]
    if "\0" in call_id:
        raise bad_parameter("call_id", "has control characters")
    context = request.app[CONTEXT]
    limit = context.settings.web.max_call_messages
    async with context.connection() as connection:
        found = [
            await context.query(connection, QUERIES[subject], (call_id, limit + 1))
            for subject in subjects
        ]
    return [listed[:limit] for listed in found], all(len(listed) <= limit for listed in found)


def _download(request: web.Request, body: bytes, content_type: str, suffix: str) -> web.Response:
    name = _UNSAFE.sub("_", request.match_info["call_id"])[:100] or "call"
    return web.Response(
        body=body,
        content_type=content_type,
        charset="utf-8" if content_type.startswith("text/") else None,
        headers={"Content-Disposition": f'attachment; filename="{name}.{suffix}"'},
    )
