# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/user/settings``: one's own settings; an administrator sees and changes everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from psycopg.rows import DictRow

from webapi.access import audit, fields, users
from webapi.access.audit import Action
from webapi.access.principal import author_of, principal_of
from webapi.access.roles import Scope
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer, body, user_setting
from webapi.homer.users import PARTID

REQUIRED: Final = ("category", "param")


async def list_settings(request: web.Request) -> web.Response:
    """One's own, or everybody's for an administrator."""
    context, principal = request.app[CONTEXT], principal_of(request)
    user_id = None if Scope.ADMIN in principal.scopes else owner(request)
    return answer.listed(await user_setting.some(context, user_id))


async def list_category(request: web.Request) -> web.Response:
    """One's own of a category."""
    category = request.match_info["category"]
    found = await user_setting.some(request.app[CONTEXT], owner(request), category)
    return answer.listed(found)


async def add_setting(request: web.Request) -> web.Response:
    """One's own; an administrator may name another user."""
    given = await body.read(request, REQUIRED)
    values = await _values(request, given, owner(request))
    async with request.app[CONTEXT].change() as connection:
        guid = await user_setting.add(connection, values)
        subject = subject_of(values)
        await audit.write(connection, author_of(request), Action.SETTING_ADDED, subject)
    return answer.done("successfully created userObject", guid)


async def change_setting(request: web.Request) -> web.Response:
    """All of one."""
    row = await _reachable(request)
    values = await _values(request, await body.read(request, REQUIRED), row["user_id"])
    async with request.app[CONTEXT].change() as connection:
        await user_setting.change(connection, {**values, "guid": row["guid"]})
        subject = subject_of(values)
        await audit.write(connection, author_of(request), Action.SETTING_CHANGED, subject)
    return answer.done("successfully updated alias", str(row["guid"]))


async def remove_setting(request: web.Request) -> web.Response:
    """One of them."""
    row = await _reachable(request)
    async with request.app[CONTEXT].change() as connection:
        await user_setting.remove(connection, row["guid"])
        subject = subject_of(row)
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, subject)
    return answer.done("successfully deleted userobject", str(row["guid"]))


def owner(request: web.Request) -> int:
    """Whose settings are one's own. Raises ApiError 400 for a token that belongs to no user."""
    user_id = principal_of(request).user_id
    if user_id is None:
        raise ApiError(400, "no_user", "this token belongs to no user")
    return user_id


def subject_of(row: Mapping[str, Any]) -> str:
    """For the audit log."""
    return f"user {row['user_id']} {row['category']}/{row['param']}"


async def _reachable(request: web.Request) -> DictRow:
    """The row of the path, if it is one's own. Another's is as one that is not there."""
    row = await user_setting.one(request.app[CONTEXT], body.guid(request))
    if Scope.ADMIN not in principal_of(request).scopes and row["user_id"] != owner(request):
        raise body.unknown()
    return row


async def _values(request: web.Request, given: Mapping[str, Any], user_id: int) -> dict[str, Any]:
    """Columns. Only an administrator says whose it is."""
    if given.get("username") and Scope.ADMIN in principal_of(request).scopes:
        name = fields.text(given, "username", users.MAX_NAME)
        user = await users.by_name(request.app[CONTEXT], name)
        if user is None:
            raise fields.wrong("username", "there is no such user")
        user_id = user.id
    return {
        "user_id": user_id,
        "partid": body.number(given, "partid", PARTID),
        "category": body.word(given, "category"),
        "param": body.word(given, "param"),
        "data": body.jsonb("data", given.get("data", {})),
    }
