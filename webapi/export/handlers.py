# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET …/export.…``: one call, or what a search finds, as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from aiohttp import hdrs, web
from psycopg import sql
from psycopg.rows import DictRow

from webapi import calls, schema
from webapi.context import CONTEXT, Context
from webapi.errors import ApiError, bad_parameter
from webapi.export import ladder, sipp, svg
from webapi.export.download import disposition
from webapi.export.form import Form
from webapi.export.lines import Lines
from webapi.export.pcap import Pcap, PcapNg
from webapi.export.stream import EXPORTS, Export, send
from webapi.export.table import Table
from webapi.export.text import Text
from webapi.filters import Condition
from webapi.lifetime import ANY_TIME, Span
from webapi.names.aliases import ALIASES
from webapi.names.resolver import Resolver
from webapi.parameters import UTC_NAME, flag, single, time_zone
from webapi.schema import Parameters
from webapi.search import Search
from webapi.sites.reading import SITE, Reading, not_found
from webapi.subject import CALLS, MESSAGES, Subject

SIPP_PARAMETERS: Final[Parameters] = {"side": schema.one_of(sipp.SIDES)}
_OF_CALL: Final = sql.SQL("call_id = ANY(%s)")
_OF_IDS: Final = sql.SQL("id = ANY(%s)")


TIME_ZONE: Final = "time_zone"


class _Kind(NamedTuple):
    """A kind of file that rows are streamed into."""

    suffix: str
    content_type: str
    make: Callable[[Subject, bool, Resolver, ZoneInfo], Form]
    """Of the subject, and whether the payload was asked for, with the names of hosts, and the time
    zone of its times."""
    needs_payload: bool = False


_PCAP: Final = _Kind("pcap", "application/vnd.tcpdump.pcap", lambda *_: Pcap(), True)
_PCAPNG: Final = _Kind("pcapng", "application/x-pcapng", lambda *_: PcapNg(), True)
_TEXT: Final = _Kind("txt", "text/plain", lambda *asked: Text(asked[2]), True)
_LINES: Final = _Kind(
    "jsonl", "application/x-ndjson", lambda subject, _, names, __: Lines(subject, names)
)
_TABLE: Final = _Kind(
    "csv",
    "text/csv",
    lambda subject, payload, names, zone: Table(
        subject, payload=payload, resolver=names, zone=zone
    ),
)
CONTENT_TYPES: Final = {
    kind.suffix: kind.content_type for kind in (_PCAP, _PCAPNG, _TEXT, _LINES, _TABLE)
}
"""Of streamed files."""
SIPP_TYPE: Final = "application/xml"


async def call_pcap(request: web.Request) -> web.StreamResponse:
    """A call for Wireshark: bytes, addresses, ports and µs as captured."""
    return await _call(request, _PCAP)


async def call_pcapng(request: web.Request) -> web.StreamResponse:
    """A call as pcapng, with node, id and Call-ID of each message in a comment."""
    return await _call(request, _PCAPNG)


async def call_text(request: web.Request) -> web.StreamResponse:
    """A call's messages one after the other, each under a line with time and addresses."""
    return await _call(request, _TEXT)


async def call_json(request: web.Request) -> web.StreamResponse:
    """All that the API knows of a call, as a file."""
    with request.app[EXPORTS].one_more():
        found = await calls.describe(request)
        body = await asyncio.to_thread(orjson.dumps, found)
    return _file(request, body, "application/json", "json")


async def call_sipp(request: web.Request) -> web.StreamResponse:
    """A scenario that plays the call again from one of its sides."""
    side = single(request.query, SIPP_PARAMETERS).get("side", sipp.SIDES[0])
    if side not in sipp.SIDES:
        raise bad_parameter("side", f"must be among {', '.join(sipp.SIDES)}")
    with request.app[EXPORTS].one_more():
        found, complete = await _messages(request, "one")
        try:
            text = await asyncio.to_thread(sipp.scenario, found, side, complete=complete)
        except ValueError as error:
            raise ApiError(422, "no_scenario", str(error), "call_id") from None
    return _file(request, text.encode(), SIPP_TYPE, f"{side}.xml")


async def call_svg(request: web.Request) -> web.StreamResponse:
    """The flow of a call and its legs as a drawing."""
    whose = calls.whose_messages(request, default="all")
    with request.app[EXPORTS].one_more():
        found, complete = await _messages(request, whose)
        title = calls.asked_call_id(request)
        resolver = await request.app[ALIASES].resolver()
        text = await asyncio.to_thread(_draw, found, title, resolver, complete=complete)
    response = _file(request, text.encode(), svg.CONTENT_TYPE, "svg")
    response.headers["Content-Security-Policy"] = svg.POLICY
    return response


async def messages_pcap(request: web.Request) -> web.StreamResponse:
    """What a search of messages finds, for Wireshark."""
    return await _found(request, MESSAGES, _PCAP)


async def messages_pcapng(request: web.Request) -> web.StreamResponse:
    """What a search of messages finds, as pcapng."""
    return await _found(request, MESSAGES, _PCAPNG)


async def messages_text(request: web.Request) -> web.StreamResponse:
    """What a search of messages finds, as text."""
    return await _found(request, MESSAGES, _TEXT)


async def messages_lines(request: web.Request) -> web.StreamResponse:
    """What a search of messages finds as JSON, one message a line."""
    return await _found(request, MESSAGES, _LINES)


async def messages_table(request: web.Request) -> web.StreamResponse:
    """What a search of messages finds, as CSV."""
    return await _found(request, MESSAGES, _TABLE)


async def calls_lines(request: web.Request) -> web.StreamResponse:
    """What a search of calls finds as JSON, one leg a line."""
    return await _found(request, CALLS, _LINES)


async def calls_table(request: web.Request) -> web.StreamResponse:
    """What a search of calls finds, as CSV."""
    return await _found(request, CALLS, _TABLE)


def search_of(
    ids: list[str],
    limit: int,
    span: Span = ANY_TIME,
    beside: Sequence[Condition] = (),
) -> Search:
    """All messages with these Call-IDs, in the order of capture, that fulfil what is ``beside``."""
    found = [(_OF_CALL, [ids]), *beside]
    return Search.by_time(MESSAGES, span, found, limit, newest=False, by_index=True)


def parameters_of(subject: Subject, suffix: str) -> Parameters:
    """Those of an export of what a search finds; only tables are for people with a clock."""
    most = {"limit": schema.up_to("max_export_messages")}
    zone = {TIME_ZONE: schema.TIME_ZONE} if suffix == _TABLE.suffix else {}
    return {**subject.parameters, **most, **zone}


async def _found(request: web.Request, subject: Subject, kind: _Kind) -> web.StreamResponse:
    """What a search finds, in the order of time unless ``sort`` says otherwise."""
    limits = request.app[CONTEXT].settings.web
    most = limits.max_export_messages
    parameters = dict(single(request.query, parameters_of(subject, kind.suffix)))
    zone = time_zone(TIME_ZONE, parameters.pop(TIME_ZONE, UTC_NAME))
    parameters = {"sort": subject.time, "limit": str(most), **parameters}
    payload = kind.needs_payload
    if subject.payload in parameters:
        payload = flag(subject.payload, parameters[subject.payload]) or payload
    if subject.payload:
        parameters[subject.payload] = "true" if payload else "false"
    wanted = Search.parse(subject, parameters, most, datetime.now(UTC), max_range=limits.max_range)
    resolver = await request.app[ALIASES].resolver()
    export = Export(
        wanted,
        kind.make(subject, payload, resolver, zone),
        f"{subject.name}-{wanted.end:%Y%m%dT%H%M%SZ}",
        kind.suffix,
        kind.content_type,
        "web.max_export_messages" if wanted.limit == most else "limit",
        site=parameters.get(SITE),
    )
    return await send(request, export)


async def _call(request: web.Request, kind: _Kind) -> web.StreamResponse:
    """The messages of a call, and of its legs if they are asked for."""
    context = request.app[CONTEXT]
    async with context.sites.reading() as reading:
        ids, lived = await _asked(request, context, reading, calls.whose_messages(request))
    return await _send_call(request, kind, ids, lived)


async def send_pcap(
    request: web.Request, ids: list[str], message_ids: list[int] | None
) -> web.StreamResponse:
    """The messages with these Call-IDs, or some of them, as ``call_pcap``."""
    return await _send_call(request, _PCAP, ids, ANY_TIME, message_ids)


async def _send_call(
    request: web.Request,
    kind: _Kind,
    ids: list[str],
    span: Span,
    message_ids: list[int] | None = None,
) -> web.StreamResponse:
    """A file that is called like the first of the Call-IDs."""
    wanted = search_of(ids, request.app[CONTEXT].settings.web.max_call_messages, span)
    if message_ids is not None:
        wanted.conditions.append((_OF_IDS, [message_ids]))
    export = Export(
        wanted,
        kind.make(MESSAGES, True, await request.app[ALIASES].resolver(), ZoneInfo(UTC_NAME)),
        ids[0],
        kind.suffix,
        kind.content_type,
        "web.max_call_messages",
        may_be_empty=False,
        can_go_on=False,
    )
    return await send(request, export)


async def _asked(
    request: web.Request, context: Context, reading: Reading, whose: str
) -> tuple[list[str], Span]:
    return await calls.captured(context, reading, calls.asked_call_id(request), whose)


async def _messages(request: web.Request, whose: str) -> tuple[list[DictRow], bool]:
    """At least one message, and whether they are all."""
    context = request.app[CONTEXT]
    most = context.settings.web.max_call_messages
    async with context.sites.reading() as reading:
        ids, lived = await _asked(request, context, reading, whose)
        found = await calls.rows_of(reading, MESSAGES, ids, lived, most + 1)
    if not found:
        raise not_found(reading.missing, "there is no message with this Call-ID", "call_id")
    return found[:most], len(found) <= most and not reading.missing


def _draw(found: list[DictRow], title: str, resolver: Resolver, *, complete: bool) -> str:
    return svg.draw(ladder.Ladder.of(found, resolver), title, complete=complete)


def _file(request: web.Request, body: bytes, content_type: str, suffix: str) -> web.Response:
    name = disposition(calls.asked_call_id(request), suffix)
    response = web.Response(body=body, content_type=content_type)
    response.headers[hdrs.CONTENT_DISPOSITION] = name
    return response
