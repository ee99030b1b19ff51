# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}``: all that is known of one Call-ID, and its exports."""

from __future__ import annotations

import asyncio
import re
from operator import itemgetter
from typing import Final

from aiohttp import web
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector import capture_loss
from collector.explain import explain
from collector.explain import to_json as explain_json
from collector.moment import to_text
from collector.quality.verdict import CaptureLoss, to_json, verdict
from collector.tables import STREAM_TABLE
from webapi import export, rows
from webapi.context import CONTEXT, Context, json_response
from webapi.errors import ApiError, bad_parameter
from webapi.legs import Legs, find
from webapi.parameters import single
from webapi.subject import CALLS, MESSAGES, OF_CALL_ID, REPORTS, Subject

QUERIES: Final = {
    subject: sql.SQL("SELECT {} FROM {} WHERE call_id = ANY(%s) ORDER BY ts, {} LIMIT %s").format(
        # A report's payload says nothing that its columns do not say.
        subject.select(payload=subject is not REPORTS),
        subject.relation,
        sql.SQL(", ").join(map(sql.Identifier, subject.order)),
    )
    for subject in OF_CALL_ID
}
CALL: Final = sql.SQL("SELECT {} FROM call WHERE call_id = %s LIMIT 100").format(
    CALLS.select(payload=False)
)
STREAMS: Final = sql.SQL("SELECT {} FROM rtp_stream WHERE call_id = %s LIMIT %s").format(
    sql.SQL(", ").join(sql.Identifier(column.name) for column in STREAM_TABLE.columns)
)
CAPTURE_LOSS: Final = sql.SQL(capture_loss.READ)
MAX_EXPLAINED: Final = 1000
"""Messages from the beginning on that an explanation looks at."""
_MAX_STREAMS: Final = 1000
_WHOSE: Final = ("one", "all", "guessed")
"""Whose messages are shown: this leg's, those of all that links lead to, of the guessed too."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@-]+")


async def show_call(request: web.Request) -> web.Response:
    """What is known of a leg, the legs that belong to it, and what was captured.

    Messages, quality reports and events are in the order of capture, then of arrival. Reports and
    events are those whose HEP correlation id is the Call-ID.
    """
    whose = _whose(request)
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        call = await _call(request, connection)
        legs = await find(context, connection, call) if call else Legs()
        ids = _ids(request, legs, whose)
        found, complete = await _read(context, connection, ids, OF_CALL_ID)
        asked = request.match_info["call_id"]
        streams = await context.query(connection, STREAMS, (asked, _MAX_STREAMS), prepare=True)
        lost = await _capture_loss(context, connection, call) if call else None
    quality = verdict(streams, call, lost)
    own = [row for row in found[0] if row["call_id"] == asked]
    all_read = complete or len(found[0]) < context.settings.web.max_call_messages
    # A hostile call may take a tenth of a second; others are answered meanwhile.
    explanation = await asyncio.to_thread(
        explain,
        own[:MAX_EXPLAINED],
        call=call,
        quality=quality,
        links=[link for link in legs.links if link["call_id"] == asked],
        complete=all_read and len(own) <= MAX_EXPLAINED,
    )
    moments = [row["ts"] for listed in found for row in listed]
    moments += [call["started_at"], call["last_at"]] if call else []
    if not moments:
        raise ApiError(404, "not_found", "nothing has this Call-ID", "call_id")
    return json_response(
        {
            "call_id": asked,
            "from": to_text(min(moments)),
            "to": to_text(max(moments)),
            "complete": complete,
            "call": rows.call(call) if call else None,
            "legs": [rows.call(leg) for leg in legs.rows],
            "guesses": [rows.call(leg) for leg in legs.guesses],
            "links": legs.links,
            "hubs": legs.hubs,
            "legs_complete": legs.complete,
            "quality": rows.document(to_json(quality)),
            "explanation": explain_json(explanation) if own else None,
            **{
                subject.name: [subject.show(row) for row in listed]
                for subject, listed in zip(OF_CALL_ID, found, strict=True)
            },
        }
    )


async def export_pcap(request: web.Request) -> web.Response:
    """The messages as a capture file for Wireshark: bytes, addresses, ports and µs as captured."""
    found = await _messages(request)
    return _download(request, export.pcap(found), "application/vnd.tcpdump.pcap", "pcap")


async def export_text(request: web.Request) -> web.Response:
    """The messages as text, one after the other, each under a line with time and addresses."""
    found = await _messages(request)
    return _download(request, export.text(found), "text/plain", "txt")


async def _messages(request: web.Request) -> list[DictRow]:
    """The messages, at least one."""
    whose = _whose(request)
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        legs = Legs()
        if whose != "one":
            call = await _call(request, connection)
            legs = await find(context, connection, call) if call else legs
        ids = _ids(request, legs, whose)
        (found,), _ = await _read(context, connection, ids, (MESSAGES,))
    if not found:
        raise ApiError(404, "not_found", "there is no message with this Call-ID", "call_id")
    return found


def _whose(request: web.Request) -> str:
    """The parameter ``legs``."""
    whose = single(request.query, ("legs",)).get("legs", "one")
    if whose not in _WHOSE:
        raise bad_parameter("legs", f"must be among {', '.join(_WHOSE)}")
    if "\0" in request.match_info["call_id"]:
        raise bad_parameter("call_id", "has control characters")
    return whose


def _ids(request: web.Request, legs: Legs, whose: str) -> list[str]:
    """The Call-IDs whose messages are shown."""
    call_id = request.match_info["call_id"]
    others = [] if whose == "one" else legs.ids(guessed=whose == "guessed")
    return list(dict.fromkeys([call_id, *others]))


async def _call(request: web.Request, connection: AsyncConnection[DictRow]) -> DictRow | None:
    """The leg's row; the last one if a Call-ID was used again."""
    context = request.app[CONTEXT]
    found = await context.query(connection, CALL, (request.match_info["call_id"],), prepare=True)
    return max(found, key=itemgetter("started_at"), default=None)


async def _capture_loss(
    context: Context, connection: AsyncConnection[DictRow], call: DictRow
) -> CaptureLoss | None:
    """What all capture nodes lost while the leg was seen."""
    values = capture_loss.span(call["started_at"], call["last_at"])
    (row,) = await context.query(connection, CAPTURE_LOSS, values)
    return CaptureLoss.of(row)


async def _read(
    context: Context,
    connection: AsyncConnection[DictRow],
    ids: list[str],
    subjects: tuple[Subject, ...],
) -> tuple[list[list[DictRow]], bool]:
    """The rows of each subject up to the limit, and whether they are all."""
    limit = context.settings.web.max_call_messages
    found = [
        await context.query(connection, QUERIES[subject], (ids, limit + 1), prepare=True)
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
