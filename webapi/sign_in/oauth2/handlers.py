# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/oauth2/{provider}``: a browser goes to a provider, and comes back signed in."""

from __future__ import annotations

from html import escape
from typing import Final

from aiohttp import web

from webapi.access import sessions
from webapi.access.principal import client_of
from webapi.parameters import single
from webapi.schema import Parameters
from webapi.sign_in.oauth2 import attempt, flow
from webapi.sign_in.session import begin_session

START: Final = "/api/v1/oauth2/{provider}"
CALLBACK: Final = "/api/v1/oauth2/{provider}/callback"
_PAGE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Signed in</title>'
    '<meta http-equiv="refresh" content="0;url={0}"><p><a href="{0}">Go on</a></html>'
)
"""Not a redirect: the browser counts that as coming from the provider's page, and would leave out
the session's cookie, which is SameSite=Strict. From this page on it is ours."""


START_PARAMETERS: Final[Parameters] = {
    "next": {"type": "string", "description": "Path of this service where to go in the end."}
}


async def start_at_provider(request: web.Request) -> web.Response:
    """Redirect to a provider, to sign in there."""
    parameters = single(request.query, START_PARAMETERS)
    name = request.match_info["provider"]
    return await flow.begin(request, name, _callback(name), parameters.get("next", "/"))


async def come_back_from_provider(request: web.Request) -> web.Response:
    """Come back from a provider: a new session, and a page that leads to ``next``.

    Parameters that are not known are left alone (RFC 6749 §4.1.2).
    """
    name = request.match_info["provider"]
    finished = await flow.finish(request, name, _callback(name))
    secret = await begin_session(request, finished.user)
    page = _PAGE.format(escape(finished.next))
    response = web.Response(text=page, content_type="text/html")
    client = client_of(request)
    attempt.COOKIE.clear(response, client)
    sessions.COOKIE.set(response, secret, client)
    return response


def _callback(name: str) -> str:
    return CALLBACK.format(provider=name)
