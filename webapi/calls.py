# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}``: all that is known of one Call-ID."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from operator import itemgetter
from typing import Any, Final

from aiohttp import web
from psycopg import sql
from psycopg.rows import DictRow

from collector import capture_loss
from collector.explain import explain
from collector.explain import to_json as explain_json
from collector.moment import to_text
from collector.quality.course import Course, courses
from collector.quality.verdict import CaptureLoss, to_json, verdict
from collector.tables import STREAM_TABLE
from webapi import rows, schema
from webapi.context import CONTEXT, Context, json_response
from webapi.errors import bad_parameter
from webapi.legs import Legs, find
from webapi.lifetime import Span, lifetime, uses_of
from webapi.media import Agreement, agreements
from webapi.names.aliases import ALIASES
from webapi.names.links import links_of
from webapi.names.resolver import Resolver
from webapi.parameters import single
from webapi.schema import Parameters
from webapi.sites.reading import SITE, Reading, not_found
from webapi.subject import CALLS, MESSAGES, OF_CALL_ID, REPORTS, Subject

QUERIES: Final = {
    subject: sql.SQL(
        "SELECT {} FROM {} WHERE call_id = ANY(%s) AND ts >= %s AND ts < %s"
        " ORDER BY ts, {} LIMIT %s"
    ).format(
        # A report's payload says nothing that its columns do not say.
        subject.select(payload=subject is not REPORTS),
        subject.relation,
        sql.SQL(", ").join(map(sql.Identifier, subject.order)),
    )
    for subject in OF_CALL_ID
}
STREAMS: Final = sql.SQL(
    "SELECT {} FROM rtp_stream WHERE call_id = ANY(%s) AND ts >= %s AND ts < %s LIMIT %s"
).format(sql.SQL(", ").join(sql.Identifier(column.name) for column in STREAM_TABLE.columns))
CAPTURE_LOSS: Final = sql.SQL(capture_loss.READ)
MAX_EXPLAINED: Final = 1000
"""Messages from the beginning on that an explanation looks at."""
_MAX_STREAMS: Final = 1000
_BEGAN: Final = itemgetter("started_at")
_WHOSE: Final = ("one", "all", "guessed")
"""Whose messages are shown: this leg's, those of all that links lead to, of the guessed too."""
PARAMETERS: Final[Parameters] = {"legs": schema.one_of(_WHOSE)}


async def show_call(request: web.Request) -> web.Response:
    """What is known of a leg, the legs that belong to it, and what was captured."""
    return json_response(await describe(request))


async def describe(request: web.Request) -> dict[str, Any]:
    """The same as an object."""
    whose, asked = whose_messages(request), asked_call_id(request)
    return await look_up(request.app[CONTEXT], await request.app[ALIASES].resolver(), asked, whose)


async def look_up(
    context: Context, resolver: Resolver, asked: str, whose: str | Sequence[str]
) -> dict[str, Any]:
    """What is known of a Call-ID. Raises ApiError 404.

    Messages, quality reports and events are in the order of capture, then of arrival. Reports and
    events are those whose HEP correlation id is the Call-ID. ``whose`` is one of ``_WHOSE``, or the
    Call-IDs themselves: then no other leg is told of.
    """
    only = None if isinstance(whose, str) else frozenset(whose)
    async with context.sites.reading() as reading:
        call = await row_of(reading, asked)
        legs = await legs_of(context, reading, call)
        if only is not None:
            legs = legs.among(only)
        ids = ids_of(asked, legs, whose) if isinstance(whose, str) else list(whose)
        most = context.settings.web.max_call_messages
        known = [*legs.rows, *legs.guesses, *([call] if call else [])]
        lived = lifetime(ids, known)
        found = [await rows_of(reading, subject, ids, lived, most + 1) for subject in OF_CALL_ID]
        streams = await reading.query(STREAMS, (ids, *lived, _MAX_STREAMS), prepare=True)
        lost = await _capture_loss(reading, call) if call else None
    complete = all(len(listed) <= most for listed in found)
    found = [listed[:most] for listed in found]
    quality = verdict([row for row in streams if row["call_id"] == asked], call, lost)
    own = [row for row in found[0] if row["call_id"] == asked]
    all_read = complete or len(found[0]) < most
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
        raise not_found(reading.missing, "nothing has this Call-ID", "call_id")
    span = min(moments), max(moments)
    shown = _show(CALLS, call, resolver) if call else None
    agreed, went = await asyncio.to_thread(_media, found, streams, known)
    return {
        "call_id": asked,
        "from": to_text(span[0]),
        "to": to_text(span[1]),
        "complete": complete and not reading.missing,
        "missing": reading.told,
        "call": shown,
        "legs": [_show(CALLS, leg, resolver) for leg in legs.rows],
        "guesses": [_show(CALLS, leg, resolver) for leg in legs.guesses],
        "links": legs.links,
        "hubs": legs.hubs,
        "legs_complete": legs.complete,
        "quality": rows.document(to_json(quality)),
        "media": [_show_media(one, resolver) for one in agreed],
        "streams": [_show_stream(one, resolver) for one in went],
        "explanation": explain_json(explanation) if own else None,
        "external_links": links_of(context.settings.links, asked, span, shown),
        **{
            subject.name: [_show(subject, row, resolver) for row in listed]
            for subject, listed in zip(OF_CALL_ID, found, strict=True)
        },
    }


def _media(
    found: Sequence[Sequence[DictRow]], streams: Sequence[DictRow], legs: Sequence[DictRow]
) -> tuple[list[Agreement], list[Course]]:
    by_subject = dict(zip(OF_CALL_ID, found, strict=True))
    known = {leg["call_id"]: leg for leg in legs}
    return agreements(by_subject[MESSAGES]), courses(streams, by_subject[REPORTS], known)


def _show_media(agreed: Agreement, resolver: Resolver) -> dict[str, Any]:
    row = agreed._asdict()
    return rows.shown(row) | resolver.names(row)


def _show_stream(course: Course, resolver: Resolver) -> dict[str, Any]:
    shown: dict[str, Any] = rows.document(to_json(course.stream))
    ends = {f"{end}_ip": ip_address(ip) for end in ("src", "dst") if (ip := shown[f"{end}_ip"])}
    points = rows.document(to_json(course.points))
    return {"call_id": course.call_id, **shown, **resolver.names(shown | ends), "points": points}


def _show(subject: Subject, row: DictRow, resolver: Resolver) -> dict[str, Any]:
    return subject.show(row) | resolver.names(row)


def whose_messages(request: web.Request, default: str = "one") -> str:
    """The parameter ``legs``."""
    whose = single(request.query, PARAMETERS).get("legs", default)
    if whose not in _WHOSE:
        raise bad_parameter("legs", f"must be among {', '.join(_WHOSE)}")
    return whose


def asked_call_id(request: web.Request) -> str:
    """The Call-ID of the path."""
    call_id = request.match_info["call_id"]
    if "\0" in call_id:
        raise bad_parameter("call_id", "has control characters")
    return call_id


def ids_of(call_id: str, legs: Legs, whose: str) -> list[str]:
    """The Call-IDs whose messages are shown."""
    others = [] if whose == "one" else legs.ids(guessed=whose == "guessed")
    return list(dict.fromkeys([call_id, *others]))


async def row_of(reading: Reading, call_id: str) -> DictRow | None:
    """The leg's row; the last one if a Call-ID was used again, and of the site where it began
    first."""
    found = await uses_of(reading, call_id)
    last: dict[str, DictRow] = {}
    for row in sorted(found, key=_BEGAN):
        last[row.get(SITE, "")] = row
    return min(last.values(), key=_BEGAN, default=None)


async def legs_of(context: Context, reading: Reading, call: DictRow | None) -> Legs:
    """The legs that belong to it; none when there is no row."""
    return (
        await find(reading, call, context.settings.correlation.numbers_window) if call else Legs()
    )


async def captured(
    context: Context, reading: Reading, call_id: str, whose: str
) -> tuple[list[str], Span]:
    """The Call-IDs whose messages are shown, and when they were captured."""
    call = await row_of(reading, call_id)
    legs = await legs_of(context, reading, call) if whose != "one" else Legs()
    ids = ids_of(call_id, legs, whose)
    return ids, lifetime(ids, [*legs.rows, *legs.guesses, *([call] if call else [])])


async def rows_of(
    reading: Reading, subject: Subject, ids: Sequence[str], span: Span, limit: int
) -> list[DictRow]:
    """What was captured with these Call-IDs in that time, up to ``limit`` rows in the order of
    capture."""
    found = await reading.query(QUERIES[subject], (ids, *span, limit), prepare=True)
    if reading.several:
        found.sort(key=itemgetter("ts", *subject.order))
    return found[:limit]


async def _capture_loss(reading: Reading, call: DictRow) -> CaptureLoss | None:
    """What all capture nodes lost while the leg was seen."""
    values = capture_loss.span(call["started_at"], call["last_at"])
    known = [*filter(None, map(CaptureLoss.of, await reading.query(CAPTURE_LOSS, values)))]
    if not known:
        return None
    return CaptureLoss(*(sum(counts) for counts in zip(*known, strict=True)))
