# SPDX-License-Identifier: GPL-2.0-or-later
"""Which ways to sign in there are: for a page that offers them, and for HOMER's list of types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aiohttp import web

from collector.settings import Settings
from collector.settings.oauth2 import parse_providers
from collector.settings.web import SIGN_IN_OFF
from webapi.access.users import INTERNAL
from webapi.context import CONTEXT, json_response
from webapi.parameters import single
from webapi.sign_in.http_auth import HTTP
from webapi.sign_in.ldap import LDAP
from webapi.sign_in.oauth2 import claims
from webapi.sign_in.oauth2.handlers import START

OAUTH2: Final = claims.OAUTH2
"""The type of the ways that lead to a provider."""


class Way(NamedTuple):
    """One of them."""

    type: str
    """internal, ldap, http: with name and password; oauth2: at a provider."""
    name: str
    """Of a provider, as in the settings and in addresses; otherwise the type."""
    title: str
    """What a person reads."""
    url: str = ""
    """Where the browser goes for it; empty for a form with name and password."""
    image: str = ""
    """Address of the provider's picture, if there is one."""
    at_once: bool = False
    """Whether a page goes there without being asked."""


def ways(settings: Settings) -> Iterator[Way]:
    """In the order in which they are offered; none with a password when ``web.sign_in`` is off.

    With ldap or http, passwords of internal users are right as well; that is no way of its own.
    """
    titles = {INTERNAL: "Internal", LDAP: "LDAP", HTTP: "HTTP"}
    kind = settings.web.sign_in
    if kind != SIGN_IN_OFF:
        yield Way(kind, kind, titles[kind])
    for provider in parse_providers(settings.oauth2):
        url = START.format(provider=provider.name)
        yield Way(
            *(OAUTH2, provider.name, provider.title, url, provider.image, provider.at_once),
        )


async def show_ways(request: web.Request) -> web.Response:
    """Which ways to sign in there are, in the order in which a page offers them."""
    single(request.query, ())
    shown: list[dict[str, Any]] = [way._asdict() for way in ways(request.app[CONTEXT].settings)]
    return json_response({"ways": shown})
