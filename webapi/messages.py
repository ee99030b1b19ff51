# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/messages``: search messages."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from webapi import rows, search
from webapi.context import CONTEXT, json_response
from webapi.parameters import single
from webapi.search import PARAMETERS, Search


async def list_messages(request: web.Request) -> web.Response:
    """One page of messages, newest first unless ``sort`` says otherwise."""
    context = request.app[CONTEXT]
    parameters = single(request.query, PARAMETERS)
    wanted = Search.parse(parameters, context.settings.web.max_rows, datetime.now(UTC))
    async with context.connection() as connection:
        page = await search.run(connection, wanted, context.settings.web.query_timeout)
    return json_response(
        {
            "messages": [rows.to_json(row) for row in page.rows],
            "from": rows.format_moment(wanted.begin),
            "to": rows.format_moment(wanted.end),
            "complete": page.complete,
            "next": page.next.encode() if page.next else None,
        }
    )
