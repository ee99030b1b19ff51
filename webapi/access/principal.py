# SPDX-License-Identifier: GPL-2.0-or-later
"""Who makes a request, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, TypeAlias

from aiohttp import web

from webapi.access.roles import Role, Scope
from webapi.errors import ApiError
from webapi.parameters import flag

Address: TypeAlias = IPv4Address | IPv6Address


class Client(NamedTuple):
    """Where a request comes from."""

    address: Address
    """Of the client; behind one of ``web.reverse_proxies`` what that says."""
    secure: bool
    """It came over TLS, to us or to the reverse proxy."""
    here: bool
    """It was made on this host."""


class Author(NamedTuple):
    """Who is named in the audit log."""

    username: str
    address: Address | None
    """None for a command on this host."""


class Principal(NamedTuple):
    """Who has shown what, and what that allows."""

    username: str = ""
    """Empty: nobody. Of a command on this host: its name, with a colon in it."""
    user_id: int | None = None
    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    session_id: int | None = None
    secret: str = ""
    """The token of the session, of which the CSRF token is made."""
    must_change_password: bool = False

    @property
    def in_person(self) -> bool:
        """Whether somebody has signed in, as opposed to a program with a token."""
        return self.session_id is not None


NOBODY = Principal()
_CLIENT: Final = web.RequestKey("client", Client)
_PRINCIPAL: Final = web.RequestKey("principal", Principal)


def set_client(request: web.Request, client: Client) -> None:
    """For the middleware."""
    request[_CLIENT] = client


def set_principal(request: web.Request, principal: Principal) -> None:
    """For the middleware."""
    request[_PRINCIPAL] = principal


def client_of(request: web.Request) -> Client:
    """Where it comes from; the middleware has seen to it."""
    return request[_CLIENT]


def principal_of(request: web.Request) -> Principal:
    """Who makes it; the middleware has seen to it."""
    return request[_PRINCIPAL]


def author_of(request: web.Request) -> Author:
    """Who is named in the audit log."""
    return Author(principal_of(request).username, client_of(request).address)


def owner_of(principal: Principal) -> int:
    """The user whose things these are. Raises ApiError 403 for a program of nobody's."""
    if principal.user_id is None:
        raise ApiError(403, "session_required", "whoever asks is no user who could own anything")
    return principal.user_id


def owner_asked(principal: Principal, parameters: Mapping[str, str]) -> int | None:
    """Whose things a list is of: one's own, with the parameter ``all`` everybody's (None).

    Raises ApiError 403 for everybody's without the right admin.
    """
    if not flag("all", parameters.get("all", "false")):
        return owner_of(principal)
    if Scope.ADMIN not in principal.scopes:
        raise ApiError(403, "not_allowed", "those of others need the right admin", "all")
    return None


def owner_ended(principal: Principal) -> int | None:
    """Whose things one may end: one's own, with the right admin anybody's (None)."""
    return None if Scope.ADMIN in principal.scopes else owner_of(principal)
