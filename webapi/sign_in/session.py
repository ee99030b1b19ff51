# SPDX-License-Identifier: GPL-2.0-or-later
"""The session of somebody who has just signed in, whichever way."""

from __future__ import annotations

from aiohttp import web

from webapi.access import sessions
from webapi.access.principal import client_of
from webapi.access.users import User
from webapi.context import CONTEXT
from webapi.sign_in.password import signed_in


async def begin_session(request: web.Request, user: User) -> str:
    """Its token. One that the browser had, or that somebody has planted there, ends."""
    client, context = client_of(request), request.app[CONTEXT]
    old = sessions.COOKIE.read(request, client)
    agent = request.headers.get("User-Agent", "")
    async with context.change() as connection:
        if old:
            await sessions.end(connection, old)
        secret = await sessions.begin(connection, user.id, client, agent, context.settings.web)
        await signed_in(connection, client, user)
    return secret
