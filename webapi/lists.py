# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/messages``, ``/reports``, ``/events``, ``/calls`` and ``/registrations``."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from collector.moment import to_text
from webapi.context import CONTEXT, json_response
from webapi.names.aliases import ALIASES
from webapi.parameters import single
from webapi.search import Search
from webapi.sites import pages
from webapi.sites.reading import SITE
from webapi.subject import CALLS, EVENTS, MESSAGES, REGISTRATIONS, REPORTS, Subject


async def list_messages(request: web.Request) -> web.Response:
    """One page of SIP messages, newest first unless ``sort`` says otherwise."""
    return await _list(request, MESSAGES)


async def list_reports(request: web.Request) -> web.Response:
    """One page of quality reports, newest first unless ``sort`` says otherwise."""
    return await _list(request, REPORTS)


async def list_events(request: web.Request) -> web.Response:
    """One page of events, newest first unless ``sort`` says otherwise."""
    return await _list(request, EVENTS)


async def list_calls(request: web.Request) -> web.Response:
    """One page of call legs, last begun first unless ``sort`` says otherwise."""
    return await _list(request, CALLS)


async def list_registrations(request: web.Request) -> web.Response:
    """One page of registrations, each an address of record at a contact, last heard first."""
    return await _list(request, REGISTRATIONS)


async def _list(request: web.Request, subject: Subject) -> web.Response:
    context = request.app[CONTEXT]
    parameters = single(request.query, subject.parameters)
    limits = context.settings.web
    wanted = Search.parse(
        subject, parameters, limits.max_rows, datetime.now(UTC), max_range=limits.max_range
    )
    resolver = await request.app[ALIASES].resolver()
    async with context.sites.reading(parameters.get(SITE)) as reading:
        page = await pages.run(reading, wanted, limits.query_timeout)
    return json_response(
        {
            subject.name: [subject.show(row) | resolver.names(row) for row in page.rows],
            "from": to_text(wanted.begin),
            "to": to_text(wanted.end),
            "complete": page.complete and not reading.missing,
            "next": page.next.encode() if page.next else None,
            "missing": reading.told,
        }
    )
