# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody asks for: the name of a new user, the fields of a new token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collector.log import one_line
from collector.settings.network import Network, parse_network
from webapi.access import fields, tokens, users
from webapi.access.roles import Scope
from webapi.access.tokens import Wanted

DEFAULT_LIFETIME_S: Final = 90 * 86_400.0
TOKEN_FIELDS: Final = ("name", "scopes")
MORE_TOKEN_FIELDS: Final = ("networks", "duration")
_MAX_SCOPES: Final = len(Scope)


def check_name(name: str) -> str:
    """A user name. Raises ApiError 422."""
    if not users.NAME.match(name):
        raise fields.wrong("username", users.NAME_RULE)
    return name


def parse_token(given: Mapping[str, Any], allowed: frozenset[Scope], longest_s: float) -> Wanted:
    """The fields of a new token; ``allowed`` are the scopes that it may have."""
    name = fields.text(given, "name", tokens.MAX_NAME, empty=False)
    asked = fields.texts(given, "scopes", _MAX_SCOPES)
    if not asked or not set(asked) <= set(Scope):
        raise fields.wrong("scopes", f"must be some of {', '.join(Scope)}")
    scopes = sorted(set(map(Scope, asked)))
    if not allowed.issuperset(scopes):
        missing = ", ".join(scope for scope in scopes if scope not in allowed)
        raise fields.wrong("scopes", f"you do not have the right {missing} yourself")
    return Wanted(
        *(name, scopes, [_network(text) for text in _networks(given)]),
        fields.duration(
            *(given, "duration", min(DEFAULT_LIFETIME_S, longest_s), longest_s),
            "web.token_lifetime",
        ),
    )


def _networks(given: Mapping[str, Any]) -> list[str]:
    return fields.texts(given, "networks", tokens.MAX_NETWORKS)


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError as error:
        raise fields.wrong("networks", one_line(str(error))) from None
