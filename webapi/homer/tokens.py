# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/token/auth``: API tokens as HOMER's clients know them.

A token made here is its maker's, for reading and exporting, as HOMER's are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from webapi.access import audit, fields, tokens
from webapi.access.asked import parse_token
from webapi.access.audit import Action
from webapi.access.principal import Principal, author_of, principal_of
from webapi.access.roles import Scope
from webapi.context import CONTEXT, Context
from webapi.errors import ApiError
from webapi.homer import answer, body, guid
from webapi.homer.guid import Kind

SCOPES: Final = (Scope.EXPORT, Scope.READ)
ANYWHERE: Final = "0.0.0.0/0"
"""What HOMER writes for a token that is good at every address."""
_NO_LIMIT: Final = 0


async def list_tokens(request: web.Request) -> web.Response:
    """Those of everybody. Most are ``web.max_rows``."""
    context = request.app[CONTEXT]
    found = await tokens.some(context, None, 0, context.settings.web.max_rows)
    return answer.listed([_as_homer(token) for token in found])


async def show_token(request: web.Request) -> web.Response:
    """One of them."""
    return answer.listed([_as_homer(await _one(request.app[CONTEXT], _id(request)))])


async def add_token(request: web.Request) -> web.Response:
    """A new one, shown this once."""
    given = await body.read(request, ("name", "expire_date"))
    principal, context = principal_of(request), request.app[CONTEXT]
    wanted = parse_token(_as_ours(given), principal.scopes, context.settings.web.token_lifetime)
    async with context.change() as connection:
        token, shown = await tokens.add(connection, _owner(principal), wanted)
        await audit.write(
            *(connection, author_of(request), Action.TOKEN_ADDED, wanted.name),
            {"scopes": list(wanted.scopes), "expires_at": shown["expires_at"]},
        )
    return answer.done("successfully created auth token", {"token": token})


async def change_token(request: web.Request) -> web.Response:
    """With ``active`` false it is revoked; nothing else of a token can be changed."""
    given = await body.read(request)
    context, token_id = request.app[CONTEXT], _id(request)
    token = await _one(context, token_id)
    if not fields.flag(given, "active", default=True):
        await _revoke(request, token_id)
    elif given.get("name", token["name"]) != token["name"]:
        raise fields.wrong("name", "cannot be changed: make another token and delete this one")
    shown = guid.of(Kind.TOKEN, token_id)
    return answer.done("successfully updated auth token", shown, 200)


async def remove_token(request: web.Request) -> web.Response:
    """It is refused from now on."""
    token_id = _id(request)
    await _revoke(request, token_id)
    shown = guid.of(Kind.TOKEN, token_id)
    return answer.done("successfully deleted auth token", shown, 200)


async def _revoke(request: web.Request, token_id: int) -> None:
    async with request.app[CONTEXT].change() as connection:
        name = await tokens.revoke(connection, token_id, None)
        await audit.write(connection, author_of(request), Action.TOKEN_REVOKED, name)


async def _one(context: Context, token_id: int) -> dict[str, Any]:
    found = await tokens.some(context, None, token_id - 1, 1)
    if not found or found[0]["id"] != token_id:
        raise body.unknown()
    return found[0]


def _id(request: web.Request) -> int:
    return guid.number_of(Kind.TOKEN, body.guid(request))


def _owner(principal: Principal) -> int:
    if principal.user_id is None:
        raise ApiError(400, "no_user", "this token belongs to no user")
    return principal.user_id


def _as_ours(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``POST /api/v1/tokens``. Raises ApiError 422."""
    if not fields.flag(given, "active", default=True):
        raise fields.wrong("active", "must be true: a token that is not does not exist")
    network = given.get("ip_address") or ANYWHERE
    return {
        "name": given["name"],
        "scopes": list(SCOPES),
        "networks": [] if network == ANYWHERE else [network],
        "duration": (_moment(given) - datetime.now(UTC)).total_seconds(),
    }


def _moment(given: Mapping[str, Any]) -> datetime:
    try:
        found = datetime.fromisoformat(fields.text(given, "expire_date", body.MAX_TEXT))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise fields.wrong("expire_date", "must be like 2026-11-23T12:00:00Z") from None


def _as_homer(token: Mapping[str, Any]) -> dict[str, Any]:
    """A row of HOMER's; what the token is is in none."""
    return {
        "guid": guid.of(Kind.TOKEN, token["id"]),
        "name": token["name"],
        "user_object": {"username": token["username"], "scopes": token["scopes"]},
        "ip_address": ", ".join(token["networks"]) or ANYWHERE,
        "create_date": token["created_at"],
        "lastusage_date": token["last_used_at"],
        "expire_date": token["expires_at"],
        "usage_calls": _NO_LIMIT,
        "limit_calls": _NO_LIMIT,
        "active": True,
    }
