# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in at a provider, from the button to the user: for our own pages and for HOMER's.

``begin`` sends the browser away, ``finish`` is called where it comes back.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from aiohttp import web

from collector.api_token import digest
from collector.errors import SettingsError
from collector.log import LOGGER, one_line
from collector.settings.oauth2 import OAuth2, parse_providers
from webapi.access import audit
from webapi.access.audit import Action
from webapi.access.principal import Author, client_of
from webapi.access.users import User
from webapi.context import CONTEXT
from webapi.errors import ApiError, bad_parameter
from webapi.schema import Parameters
from webapi.sign_in import person
from webapi.sign_in.fetch import Fetcher, FetchError
from webapi.sign_in.oauth2 import attempt as attempts
from webapi.sign_in.oauth2.attempt import Attempt
from webapi.sign_in.oauth2.claims import person_of
from webapi.sign_in.oauth2.id_token import TokenError
from webapi.sign_in.oauth2.one_time import OneTimeKeys
from webapi.sign_in.oauth2.provider import Client

AT_ONCE: Final = 20
"""Sign-ins whose provider is being asked; more are turned away."""
ROOM: Final = 10_000
"""Attempts that are over and remembered."""
_MAX_CODE: Final = 4096
CALLBACK_PARAMETERS: Final[Parameters] = {
    "state": {"type": "string", "description": "As the redirect to the provider had it."},
    "code": {"type": "string", "description": "What the provider gives for who has signed in."},
    "iss": {"type": "string", "description": "Which provider this is (RFC 9207)."},
    "error": {"type": "string", "description": "Why there is no code."},
}
"""What a provider sends along."""
_SHOWN: Final = 64


class Providers:
    """Of one application."""

    def __init__(self, settings: OAuth2) -> None:
        """Raises SettingsError for a file with certificates that cannot be read."""
        self._settings = settings
        try:
            self._fetcher = Fetcher(settings.timeout, settings.tls_ca)
        except OSError as error:
            message = f"oauth2.tls_ca: {error}"
            raise SettingsError(message) from error
        self._clients = {
            found.name: Client(found, settings.algorithms, self._fetcher)
            for found in parse_providers(settings)
        }
        self.keys = OneTimeKeys()
        self._over: dict[bytes, float] = {}
        self._asked = 0

    def client(self, name: str) -> Client:
        """Raises ApiError 404."""
        if name not in self._clients:
            raise ApiError(404, "not_found", "there is no such provider")
        return self._clients[name]

    def redirect_uri(self, path: str) -> str:
        """The address of ``path`` for browsers: of the settings, whatever a request says."""
        return self._settings.base_url.rstrip("/") + path

    @property
    def default_role(self) -> str:
        """Of people in no group with a role."""
        return self._settings.default_role

    async def close(self) -> None:
        """Close connections."""
        await self._fetcher.close()

    def end(self, attempt: Attempt) -> None:
        """It can be finished once. Raises ApiError 400 the second time."""
        now = time.time()
        key = digest(attempt.cookie)
        if key in self._over:
            raise _again()
        while self._over and (
            len(self._over) >= ROOM or next(iter(self._over.values())) < now - attempts.LIFETIME_S
        ):
            del self._over[next(iter(self._over))]
        self._over[key] = now

    async def ask(
        self, client: Client, attempt: Attempt, code: str, redirect_uri: str
    ) -> person.Person:
        """Who brings this code. Raises ApiError 403 and 503."""
        if self._asked >= AT_ONCE:
            raise ApiError(503, "busy", "too many people are signing in; try again in a moment")
        self._asked += 1
        name = client.settings.name
        try:
            claims = await client.claims(attempt, code, redirect_uri)
        except FetchError as error:
            raise _unavailable(name, error) from error
        except TokenError as error:
            LOGGER.warning("oauth2: %s: not believed: %s", name, one_line(str(error)))
            message = "what the provider says cannot be believed; the log has more"
            raise ApiError(403, "bad_id_token", message) from error
        finally:
            self._asked -= 1
        return person_of(claims, client.settings, self.default_role)


class Finished(NamedTuple):
    """Who has signed in."""

    user: User
    next: str
    """Path of this service where the browser wanted to go."""


async def begin(request: web.Request, name: str, callback: str, next_path: str) -> web.Response:
    """Send the browser to the provider; it comes back to the path ``callback``.

    Raises ApiError 404 for an unknown provider, and 503 when it does not answer.
    """
    providers = request.app[OAUTH2]
    client = providers.client(name)
    attempt = attempts.begin(name, next_path)
    try:
        url = await client.authorization_url(attempt, providers.redirect_uri(callback))
    except FetchError as error:
        raise _unavailable(name, error) from error
    response = web.Response(status=302, headers={"Location": url})
    attempts.COOKIE.set(response, attempt.cookie, client_of(request))
    return response


async def finish(request: web.Request, name: str, callback: str) -> Finished:
    """Who comes back, made or found as a user of ours. The caller begins the session and writes
    ``signed_in``.

    Raises ApiError 400 for an attempt that is not this browser's or is over, 403 for somebody who
    may not or is not believed, 404 for an unknown provider, and 503 when it does not answer.
    """
    providers, context = request.app[OAUTH2], request.app[CONTEXT]
    client = providers.client(name)
    origin = client_of(request)
    attempt = attempts.found(request, origin, name)
    if attempt is None:
        raise _again()
    state = _parameter(request, "state")
    if not hmac.compare_digest(state.encode(errors="replace"), attempt.state.encode()):
        raise ApiError(400, "bad_state", "state is not that of this browser's sign-in")
    providers.end(attempt)
    issuer = _parameter(request, "iss")
    if issuer and client.settings.issuer and issuer != client.settings.issuer:  # RFC 9207 §2.4
        raise ApiError(400, "bad_issuer", "iss is not that of this provider")
    code = _parameter(request, "code")
    if not code:
        said = one_line(_parameter(request, "error"))[:_SHOWN]
        raise ApiError(403, "provider_refused", f"the provider refuses: {said or 'no code'}")
    found = None
    try:
        found = await providers.ask(client, attempt, code, providers.redirect_uri(callback))
        async with context.change() as connection:
            user = await person.take(connection, found, origin.address)
    except ApiError as error:
        if error.status == 403:
            author = Author(found.username if found else "", origin.address)
            subject = f"{name}: {error.code}"
            await audit.record(context, author, Action.SIGN_IN_FAILED, subject)
        raise
    return Finished(user, attempt.next)


def _parameter(request: web.Request, name: str) -> str:
    """Others than ours are left alone: providers add some."""
    values = request.query.getall(name, [])
    if len(values) > 1 or any(len(value) > _MAX_CODE for value in values):
        raise bad_parameter(name, "is there twice, or too long")
    return values[0] if values else ""


def _again() -> ApiError:
    message = "this browser has not begun to sign in, or too long ago, or is done: begin again"
    return ApiError(400, "sign_in_over", message)


def _unavailable(name: str, error: FetchError) -> ApiError:
    LOGGER.warning("oauth2: %s: %s", name, one_line(str(error)))
    message = "the provider does not answer as it should; the log has more"
    return ApiError(503, "sign_in_unavailable", message)


OAUTH2: Final = web.AppKey("oauth2", Providers)


async def keep(app: web.Application) -> AsyncIterator[None]:
    """For ``cleanup_ctx``."""
    yield
    await app[OAUTH2].close()
