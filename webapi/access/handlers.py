# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/sign-in``, ``/sign-out`` and ``/me``: what one does with one's own account."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from webapi.access import audit, fields, passwords, sessions, users
from webapi.access.audit import Action
from webapi.access.gate import GATE
from webapi.access.principal import Principal, author_of, client_of, principal_of
from webapi.access.roles import SCOPES
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError
from webapi.parameters import single
from webapi.sign_in.password import by_password, own_password
from webapi.sign_in.session import begin_session

SIGN_IN_FIELDS: Final = ("username", "password")
PASSWORD_FIELDS: Final = ("password", "new_password")


async def sign_in(request: web.Request) -> web.Response:
    """Sign in: user name and password → the cookie of a new session, and its CSRF token.

    A wrong name, a wrong password and a disabled user have one answer, which takes as long.
    """
    single(request.query, ())
    given = await fields.read(request, SIGN_IN_FIELDS)
    name, password = (fields.secret(given, part) for part in SIGN_IN_FIELDS)
    client = client_of(request)
    user = await by_password(request.app, client, name, password)
    secret = await begin_session(request, user)
    response = json_response(
        _me(
            Principal(
                *(user.username, user.id, user.role, SCOPES[user.role]),
                *(0, secret, user.must_change_password),
            )
        )
    )
    sessions.COOKIE.set(response, secret, client)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session. With a token there is none to end, and nothing happens."""
    single(request.query, ())
    principal = principal_of(request)
    if principal.in_person:
        async with request.app[CONTEXT].change() as connection:
            await sessions.end(connection, principal.secret)
            await audit.write(connection, author_of(request), Action.SIGNED_OUT)
    response = json_response({})
    sessions.COOKIE.clear(response, client_of(request))
    return response


async def show_me(request: web.Request) -> web.Response:
    """Who one is and what one may; with a session its CSRF token."""
    single(request.query, ())
    return json_response(_me(principal_of(request)))


async def change_password(request: web.Request) -> web.Response:
    """Change one's own password: the old one must be known. All other sessions of the user end."""
    single(request.query, ())
    given = await fields.read(request, PASSWORD_FIELDS)
    old, new = (fields.secret(given, part) for part in PASSWORD_FIELDS)
    context, principal = request.app[CONTEXT], principal_of(request)
    if principal.user_id is None:
        raise ApiError(409, "not_internal", "this token belongs to no user")
    user = await users.one(context, principal.user_id)
    if user.source != users.INTERNAL:
        raise users.not_internal()
    passwords.check_new(new, user.username, "new_password")
    if new == old:
        raise fields.wrong("new_password", "is the old one")
    await own_password(request.app, client_of(request), author_of(request), user.username, old)
    hashed = await request.app[GATE].passwords.hash(new)
    async with context.change() as connection:
        await users.set_password(connection, user.id, hashed, must_change=False)
        await sessions.end_others(connection, user.id, principal.session_id)
        await audit.write(connection, author_of(request), Action.PASSWORD_CHANGED, user.username)
    return json_response({})


def _me(principal: Principal) -> dict[str, Any]:
    shown = {
        "username": principal.username,
        "role": principal.role,
        "scopes": sorted(principal.scopes),
        "must_change_password": principal.must_change_password,
    }
    if principal.in_person:
        shown["csrf_token"] = sessions.csrf_token(principal.secret)
    return shown
