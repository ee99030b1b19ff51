# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/users``, ``/api/v1/tokens`` and ``/api/v1/audit``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from webapi import schema
from webapi.access import audit, fields, passwords, sessions, tokens, users
from webapi.access.asked import MORE_TOKEN_FIELDS, TOKEN_FIELDS, check_name, parse_token
from webapi.access.audit import Action
from webapi.access.gate import GATE
from webapi.access.principal import author_of, owner_asked, owner_ended, owner_of, principal_of
from webapi.access.roles import Role
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError, bad_parameter
from webapi.listing import OWNED_PARAMETERS, PAGE_PARAMETERS, created, id_of, listed, page
from webapi.parameters import integer, moment, single
from webapi.schema import Parameters

USER_FIELDS: Final = ("username", "role")
MORE_USER_FIELDS: Final = ("password", "email", "full_name", "must_change_password")
CHANGED_FIELDS: Final = (*users.CHANGEABLE, "password", "must_change_password")
AUDIT_PARAMETERS: Final[Parameters] = {
    "username": schema.TEXT,
    "action": schema.one_of(Action),
    "before": schema.integer(1, audit.MAX_ID),
    "from": schema.MOMENT,
    "to": schema.MOMENT,
    "limit": schema.up_to("max_rows"),
}
MAX_TEXT: Final = 200


async def list_users(request: web.Request) -> web.Response:
    """All users, a page at a time."""
    after, limit = page(request, single(request.query, PAGE_PARAMETERS))
    found = await users.some(request.app[CONTEXT], after, limit + 1)
    return listed("users", [user.shown() for user in found], limit)


async def show_user(request: web.Request) -> web.Response:
    """One user."""
    single(request.query, ())
    return json_response((await users.one(request.app[CONTEXT], id_of(request))).shown())


async def add_user(request: web.Request) -> web.Response:
    """Add a user. Without a password one is made up, and shown this once."""
    single(request.query, ())
    given = await fields.read(request, USER_FIELDS, MORE_USER_FIELDS)
    name = check_name(fields.text(given, "username", MAX_TEXT))
    role = fields.word(given, "role", Role)
    chosen = "password" in given
    password = fields.secret(given, "password") if chosen else passwords.generate()
    if chosen:
        passwords.check_new(password, name)
    email, full_name = (fields.text(given, part, MAX_TEXT) for part in ("email", "full_name"))
    must_change = fields.flag(given, "must_change_password", default=True)
    hashed = await request.app[GATE].passwords.hash(password)
    async with request.app[CONTEXT].change() as connection:
        user = await users.add(
            *(connection, name, hashed, role),
            email=email,
            full_name=full_name,
            must_change_password=must_change,
        )
        await audit.write(connection, author_of(request), Action.USER_ADDED, name, {"role": role})
    shown = user.shown() if chosen else {**user.shown(), "password": password}
    return created(shown)


async def change_user(request: web.Request) -> web.Response:
    """Change role, names, password, or whether a user is enabled.

    A user whose password or ``enabled`` is changed has no session afterwards.
    """
    single(request.query, ())
    given = await fields.read(request, (), CHANGED_FIELDS)
    context, user_id = request.app[CONTEXT], id_of(request)
    user = await users.one(context, user_id)
    changes = _changes(given)
    hashed = None
    if "password" in given:
        password = passwords.check_new(fields.secret(given, "password"), user.username)
        hashed = await request.app[GATE].passwords.hash(password)
    if not given:
        raise ApiError(
            422, "bad_field", f"nothing to change; there are {', '.join(CHANGED_FIELDS)}"
        )
    must_change = fields.flag(given, "must_change_password", default=True)
    if "must_change_password" in given and hashed is None:
        raise fields.wrong("must_change_password", "goes with a new password")
    async with context.change() as connection:
        if changes:
            user = await users.change(connection, user_id, changes)
        if hashed is not None:
            user = await users.set_password(connection, user_id, hashed, must_change=must_change)
        if hashed is not None or "enabled" in changes:
            await sessions.end_others(connection, user_id)
        told = changes | ({"password": "***"} if hashed is not None else {})
        await audit.write(connection, author_of(request), Action.USER_CHANGED, user.username, told)
    return json_response(user.shown())


async def remove_user(request: web.Request) -> web.Response:
    """Remove a user with sessions and tokens; what the user did stays in the audit log."""
    single(request.query, ())
    async with request.app[CONTEXT].change() as connection:
        user = await users.remove(connection, id_of(request))
        await audit.write(connection, author_of(request), Action.USER_REMOVED, user.username)
    return json_response(user.shown())


async def list_tokens(request: web.Request) -> web.Response:
    """One's own tokens, with ``all=true`` those of everybody, for who has the right admin."""
    parameters = single(request.query, OWNED_PARAMETERS)
    owner = owner_asked(principal_of(request), parameters)
    after, limit = page(request, parameters)
    shown = await tokens.some(request.app[CONTEXT], owner, after, limit + 1)
    return listed("tokens", shown, limit)


async def add_token(request: web.Request) -> web.Response:
    """Make a token of one's own, shown this once; it may do nothing that one may not."""
    single(request.query, ())
    given = await fields.read(request, TOKEN_FIELDS, MORE_TOKEN_FIELDS)
    principal, context = principal_of(request), request.app[CONTEXT]
    wanted = parse_token(given, principal.scopes, context.settings.web.token_lifetime)
    async with context.change() as connection:
        token, shown = await tokens.add(connection, owner_of(principal), wanted)
        await audit.write(
            *(connection, author_of(request), Action.TOKEN_ADDED, wanted.name),
            {"scopes": list(wanted.scopes), "expires_at": shown["expires_at"]},
        )
    return created({**shown, "token": token})


async def revoke_token(request: web.Request) -> web.Response:
    """Revoke one's own token, or anybody's for who has the right admin.

    It is refused from now on.
    """
    single(request.query, ())
    owner = owner_ended(principal_of(request))
    async with request.app[CONTEXT].change() as connection:
        name = await tokens.revoke(connection, id_of(request), owner)
        await audit.write(connection, author_of(request), Action.TOKEN_REVOKED, name)
    return json_response({"name": name})


async def show_audit(request: web.Request) -> web.Response:
    """The audit log, the newest first, a page at a time."""
    parameters = dict(single(request.query, AUDIT_PARAMETERS))
    now = datetime.now(UTC)
    filters: dict[str, Any] = {
        name: parameters[name] for name in ("username", "action") if name in parameters
    }
    if filters.get("action", Action.EXPORTED) not in list(Action):
        raise bad_parameter("action", f"must be one of {', '.join(Action)}")
    if "before" in parameters:
        filters["before"] = integer("before", parameters["before"], 1, audit.MAX_ID)
    for name in ("from", "to"):
        if name in parameters:
            filters[name] = moment(name, parameters[name], now)
    _, limit = page(request, parameters)
    found, before = await audit.some(request.app[CONTEXT], filters, limit)
    return json_response({"audit": found, "next": before})


def _changes(given: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {
        name: fields.text(given, name, MAX_TEXT) for name in ("email", "full_name") if name in given
    }
    if "role" in given:
        changes["role"] = fields.word(given, "role", Role).value
    if "enabled" in given:
        changes["enabled"] = fields.flag(given, "enabled", default=True)
    return changes
