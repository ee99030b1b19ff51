# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/oauth2``: sign-in at a provider, as HOMER's page does it.

The browser comes back to the page with a key that is good once, for a minute, in the process that
made it; the page exchanges it for a token.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from webapi.access import fields, users
from webapi.access.principal import client_of
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import body
from webapi.homer.sign_in import answer_of
from webapi.sign_in.oauth2 import attempt, flow
from webapi.sign_in.oauth2.flow import OAUTH2

CALLBACK: Final = "/api/v3/oauth2/auth/{provider}"
_PAGE: Final = "/"
"""Where HOMER's pages begin."""


async def start(request: web.Request) -> web.Response:
    """Redirect to a provider, to sign in there."""
    name = request.match_info["provider"]
    return await flow.begin(request, name, CALLBACK.format(provider=name), _PAGE)


async def come_back(request: web.Request) -> web.Response:
    """Come back from a provider: on to HOMER's page, with a key."""
    name = request.match_info["provider"]
    finished = await flow.finish(request, name, CALLBACK.format(provider=name))
    key = request.app[OAUTH2].keys.add(finished.user.id)
    response = web.Response(status=302)
    response.headers["Location"] = f"{_PAGE}?{urlencode({'token': key})}"
    attempt.COOKIE.clear(response, client_of(request))
    return response


async def exchange(request: web.Request) -> web.Response:
    """The key for what ``POST /auth`` answers."""
    given = await body.read(request, ("token",))
    user_id = request.app[OAUTH2].keys.take(fields.secret(given, "token"))
    user = await users.one(request.app[CONTEXT], user_id) if user_id is not None else None
    if user is None or not user.enabled:
        raise ApiError(401, "bad_token", "the key is unknown, has expired or was used")
    return await answer_of(request, user)
