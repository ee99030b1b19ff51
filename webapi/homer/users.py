# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/users``: our users as HOMER's clients know them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from webapi.access import audit, fields, passwords, sessions, users
from webapi.access.asked import check_name
from webapi.access.audit import Action
from webapi.access.gate import GATE
from webapi.access.principal import Principal, author_of, client_of, principal_of
from webapi.access.roles import Role, Scope
from webapi.access.users import INTERNAL, User
from webapi.context import CONTEXT, Context
from webapi.errors import ApiError
from webapi.homer import answer, body, guid
from webapi.homer.guid import Kind
from webapi.sign_in.password import own_password

PARTID: Final = 10
"""HOMER's number for the only tenant."""
REQUIRED: Final = ("username", "email", "firstname", "department", "usergroup")
ADMINS: Final = ("usergroup", "enabled")
"""What only an administrator changes; the rest one may change of one's own record."""
_MAX_TEXT: Final = 200
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\Z")

DEPARTMENTS: Final = sql.SQL("SELECT user_id, department FROM homer_user WHERE user_id = ANY(%s)")
_SET_DEPARTMENT: Final = sql.SQL(
    "INSERT INTO homer_user (user_id, department) VALUES (%s, %s)"
    " ON CONFLICT (user_id) DO UPDATE SET department = excluded.department"
)


async def list_users(request: web.Request) -> web.Response:
    """All for an administrator, oneself for anybody else. Most are ``web.max_rows``."""
    context, principal = request.app[CONTEXT], principal_of(request)
    if Scope.ADMIN in principal.scopes:
        found = await users.some(context, 0, context.settings.web.max_rows)
    else:
        found = [await users.one(context, principal.user_id)] if principal.user_id else []
    return answer.listed(await _shown(context, found), 201)


async def list_groups(_request: web.Request) -> web.Response:
    """The roles."""
    return answer.listed([role.value for role in Role])


async def show_profile(request: web.Request) -> web.Response:
    """Oneself, as the user interface shows it."""
    user = await _oneself(request.app[CONTEXT], principal_of(request))
    shown = {
        "guid": guid.of(Kind.USER, user.id),
        "username": user.username,
        "displayname": user.full_name or user.username,
        "avatar": "",
        "group": user.role.value,
        "admin": user.role is Role.ADMIN,
        "external_auth": user.source != INTERNAL,
        "external_profile": "" if user.source == INTERNAL else user.source,
    }
    return answer.json({"count": 0, "data": shown})


async def show_user(request: web.Request) -> web.Response:
    """Oneself, or for an administrator anybody."""
    context, user_id = request.app[CONTEXT], _user_id(request)
    found = [await users.one(context, user_id)]
    return answer.listed(await _shown(context, found), 201)


async def add_user(request: web.Request) -> web.Response:
    """A new user, who may keep the password."""
    given = await body.read(request, (*REQUIRED, "password"))
    name = check_name(fields.text(given, "username", _MAX_TEXT))
    password = passwords.check_new(fields.secret(given, "password"), name)
    changes = _changes(given)
    hashed = await request.app[GATE].passwords.hash(password)
    async with request.app[CONTEXT].change() as connection:
        user = await users.add(
            *(connection, name, hashed, Role(changes["role"])),
            email=changes["email"],
            full_name=changes["full_name"],
        )
        if not changes["enabled"]:
            await users.change(connection, user.id, {"enabled": False})
        await _set_department(connection, user.id, given)
        detail = {"role": changes["role"]}
        await audit.write(connection, author_of(request), Action.USER_ADDED, name, detail)
    return answer.done("successfully created user", guid.of(Kind.USER, user.id))


async def change_user(request: web.Request) -> web.Response:
    """Names, e-mail address and department of one's own; for an administrator all of anybody's.

    One's own new password needs ``old_password``, unless one is an administrator. Whose password is
    changed, or who is disabled, has no session afterwards but the one that asks; a token of HOMER's
    API ends with a change of the role, too.
    """
    context, principal = request.app[CONTEXT], principal_of(request)
    user = await users.one(context, _user_id(request))
    given = await body.read(request)
    _check_rights(given, user, principal)
    changes = _changes({**_as_homer(user), **given})
    hashed = await _new_password(request, given, user)
    async with context.change() as connection:
        await users.change(connection, user.id, changes)
        if hashed:
            await users.set_password(connection, user.id, hashed, must_change=False)
        if hashed or not changes["enabled"]:
            own = principal.session_id if user.id == principal.user_id else None
            await sessions.end_others(connection, user.id, own)
        await _set_department(connection, user.id, given)
        told = changes | ({"password": "***"} if hashed else {})
        await audit.write(connection, author_of(request), Action.USER_CHANGED, user.username, told)
    return answer.done("successfully updated user", guid.of(Kind.USER, user.id))


async def remove_user(request: web.Request) -> web.Response:
    """With sessions, tokens, settings and dashboards."""
    async with request.app[CONTEXT].change() as connection:
        user = await users.remove(connection, _user_id(request))
        await audit.write(connection, author_of(request), Action.USER_REMOVED, user.username)
    return answer.done("successfully deleted user", guid.of(Kind.USER, user.id))


def _user_id(request: web.Request) -> int:
    """Of the path. Raises ApiError 403 for another user unless one is an administrator."""
    user_id, principal = guid.number_of(Kind.USER, body.guid(request)), principal_of(request)
    if Scope.ADMIN not in principal.scopes and user_id != principal.user_id:
        raise ApiError(403, "not_allowed", "the records of other users need the right admin")
    return user_id


async def _oneself(context: Context, principal: Principal) -> User:
    if principal.user_id is None:
        raise ApiError(400, "no_user", "this token belongs to no user")
    return await users.one(context, principal.user_id)


def _check_rights(given: Mapping[str, Any], user: User, principal: Principal) -> None:
    """Forms send the whole record: what is as it was is no change."""
    if given.get("username", user.username) != user.username:
        raise fields.wrong("username", "cannot be changed")
    if Scope.ADMIN in principal.scopes:
        return
    before = _as_homer(user)
    for name in ADMINS:
        if given.get(name, before[name]) != before[name]:
            raise ApiError(403, "not_allowed", f"{name} is changed by an administrator", name)


async def _new_password(request: web.Request, given: Mapping[str, Any], user: User) -> str | None:
    """The hash of the new password; without one, or with an empty one, the old one stays."""
    if not given.get("password"):
        return None
    if user.source != INTERNAL:
        raise users.not_internal()
    password = passwords.check_new(fields.secret(given, "password"), user.username)
    if Scope.ADMIN not in principal_of(request).scopes:
        if not given.get("old_password"):
            message = "a new password needs the old one as old_password; the pages of this service "
            raise fields.wrong("password", message + "ask for both")
        old = fields.secret(given, "old_password")
        author = author_of(request)
        await own_password(request.app, client_of(request), author, user.username, old)
    return await request.app[GATE].passwords.hash(password)


def _changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of ``web_user``."""
    email = fields.text(given, "email", _MAX_TEXT)
    if email and not _EMAIL.match(email):
        raise fields.wrong("email", "must be an e-mail address")
    first, last = (fields.text(given, name, _MAX_TEXT) for name in ("firstname", "lastname"))
    return {
        "role": fields.word(given, "usergroup", Role).value,
        "email": email,
        "full_name": f"{first} {last}".strip(),
        "enabled": fields.flag(given, "enabled", default=True),
    }


async def _set_department(
    connection: AsyncConnection[DictRow], user_id: int, given: Mapping[str, Any]
) -> None:
    if "department" in given:
        department = fields.text(given, "department", _MAX_TEXT)
        await connection.execute(_SET_DEPARTMENT, (user_id, department))


async def _shown(context: Context, found: Sequence[User]) -> list[dict[str, Any]]:
    async with context.connection() as connection:
        rows = await context.query(connection, DEPARTMENTS, ([user.id for user in found],))
    departments = {row["user_id"]: row["department"] for row in rows}
    return [_as_homer(user) | {"department": departments.get(user.id, "")} for user in found]


def _as_homer(user: User) -> dict[str, Any]:
    """A row of HOMER's; a password is in none."""
    first, _, last = user.full_name.partition(" ")
    return {
        "guid": guid.of(Kind.USER, user.id),
        "username": user.username,
        "partid": PARTID,
        "email": user.email,
        "password": "",
        "enabled": user.enabled,
        "firstname": first,
        "lastname": last,
        "department": "",
        "usergroup": user.role.value,
    }
