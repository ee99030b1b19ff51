# SPDX-License-Identifier: GPL-2.0-or-later
"""Who makes a request: by session, by API token, or nobody; and what all requests share."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from collector.settings.web import SIGN_IN_OFF
from webapi.access import json_web_token, sessions, tokens
from webapi.access.json_web_token import JsonWebTokens
from webapi.access.origin import SAFE, Origins
from webapi.access.passwords import Passwords
from webapi.access.principal import NOBODY, Client, Principal
from webapi.access.roles import ANYBODY, Need, Scope
from webapi.access.throttle import Throttle
from webapi.context import Context
from webapi.errors import ApiError

_SCRAPER: Final = Principal("metrics", scopes=frozenset({Scope.READ}))
_CSRF: Final = "X-CSRF-Token"
_HOMERS_HEADER: Final = "Auth-Token"
"""In which HOMER's clients send an API token."""
_INSTEAD: Final = {Need.IN_PERSON: Scope.ADMIN, Need.SCRAPE: Scope.READ}
"""The right that is as good."""


class Gate:
    """Of one application."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings.web
        self.origins = Origins(self._settings.reverse_proxies)
        self.passwords = Passwords()
        self.throttle = Throttle(self._settings)
        self.json_web_tokens = JsonWebTokens(context)

    async def identify(self, request: web.Request, client: Client, need: Scope | Need) -> Principal:
        """Who it is; ``NOBODY`` if it shows nothing.

        Raises ApiError 401 for what is shown and not valid, and 403 without the CSRF token.
        """
        if need is Need.NOTHING:
            return NOBODY
        if "Authorization" in request.headers:
            return await self._bearer(request, client, need)
        if _HOMERS_HEADER in request.headers:
            given = request.headers[_HOMERS_HEADER].strip()
            return _known(await tokens.find(self._context, given, client.address))
        is_free = need is not Need.SCRAPE or not self._settings.metrics_token
        if need is Need.SCRAPE and client.here and is_free:
            return _SCRAPER
        secret = sessions.COOKIE.read(request, client)
        if secret:
            principal = await sessions.find(self._context, secret)
            if principal:
                if request.method not in SAFE:
                    check_csrf(request, secret)
                return principal
            if not self.is_off:
                raise ApiError(401, "session_over", "the session is over: sign in again")
        return Principal(scopes=ANYBODY) if self.is_off and is_free else NOBODY

    @property
    def is_off(self) -> bool:
        """Whether one may read without sign-in."""
        return self._settings.sign_in == SIGN_IN_OFF

    async def _bearer(self, request: web.Request, client: Client, need: Scope | Need) -> Principal:
        scheme, _, given = request.headers["Authorization"].partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else ""
        expected = self._settings.metrics_token
        # Compared as bytes: text with other characters than ASCII would raise.
        if (
            need is Need.SCRAPE
            and expected
            and hmac.compare_digest(token.encode(errors="replace"), expected.encode())
        ):
            return _SCRAPER
        if json_web_token.is_one(token):
            return _known(await self.json_web_tokens.find(token))
        return _known(await tokens.find(self._context, token, client.address))


def _known(principal: Principal | None) -> Principal:
    if principal is None:
        message = "the API token is unknown, has expired or was revoked"
        raise ApiError(401, "bad_token", message)
    return principal


def check(principal: Principal, need: Scope | Need) -> None:
    """Raise ApiError 401 or 403 unless ``principal`` may do what needs ``need``."""
    if need is Need.NOTHING:
        return
    wanted = _INSTEAD.get(need) if isinstance(need, Need) else need
    if wanted in principal.scopes:
        return
    if not principal.username:
        message = "sign in, or send the header Authorization: Bearer with an API token"
        raise ApiError(401, "sign_in_required", message)
    if need is Need.SIGNED_IN or (need is Need.IN_PERSON and principal.in_person):
        return
    if need is Need.IN_PERSON:
        raise ApiError(403, "session_required", "needs a session; a token is not enough")
    if principal.in_person:
        message = f"the role {principal.role} may not do this: it needs the right {wanted}"
    else:
        message = f"this token does not have the scope {wanted}, or its user has lost it"
    raise ApiError(403, "not_allowed", message)


def check_csrf(request: web.Request, secret: str) -> None:
    """Raise ApiError 403 unless the request has the CSRF token of the session with this secret."""
    given = request.headers.get(_CSRF, "")
    expected = sessions.csrf_token(secret)
    if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        message = f"needs the header {_CSRF} with csrf_token, as sign-in and /api/v1/me tell it"
        raise ApiError(403, "csrf_token_required", message)


GATE: Final = web.AppKey("gate", Gate)


async def keep(app: web.Application) -> AsyncIterator[None]:
    """For ``cleanup_ctx``."""
    yield
    app[GATE].passwords.close()
