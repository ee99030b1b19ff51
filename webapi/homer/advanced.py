# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/advanced``: settings for all users, which HOMER calls advanced or global.

They say how the user interface looks. Where this service sends requests is in its own settings
alone, whatever hosts are named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from psycopg import sql

from webapi.access import audit
from webapi.access.audit import Action
from webapi.access.principal import author_of, principal_of
from webapi.access.roles import Scope
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer, body

MOST: Final = 1000
"""Rows; one more is refused."""
REQUIRED: Final = ("category", "param")
_COLUMNS: Final = sql.SQL("guid, partid, category, param, data")
LIST: Final = sql.SQL("SELECT {} FROM homer_setting ORDER BY category, param, guid").format(
    _COLUMNS
)
BY_GUID: Final = sql.SQL("SELECT {} FROM homer_setting WHERE guid = %s").format(_COLUMNS)
_INSERT: Final = sql.SQL(
    "INSERT INTO homer_setting (partid, category, param, data)"
    " SELECT %(partid)s, %(category)s, %(param)s, %(data)s"
    " WHERE (SELECT count(*) FROM homer_setting) < %(most)s RETURNING guid"
)
_UPDATE: Final = sql.SQL(
    "UPDATE homer_setting SET partid = %(partid)s, category = %(category)s, param = %(param)s,"
    " data = %(data)s WHERE guid = %(guid)s RETURNING guid"
)
_REMOVE: Final = sql.SQL("DELETE FROM homer_setting WHERE guid = %s RETURNING category, param")
_SECRETS: Final = ("password", "pass", "token", "secret", "apikey", "api_key")
_MASK: Final = "***"


async def list_settings(request: web.Request) -> web.Response:
    """All."""
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        found = await context.query(connection, LIST)
    return answer.listed([_shown(request, row) for row in found], 201)


async def show_setting(request: web.Request) -> web.Response:
    """One of them."""
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        found = await context.query(connection, BY_GUID, (body.guid(request),))
    if not found:
        raise body.unknown()
    return answer.listed([_shown(request, row) for row in found])


async def add_setting(request: web.Request) -> web.Response:
    """A new one."""
    values = _values(await body.read(request, REQUIRED))
    async with request.app[CONTEXT].change() as connection:
        row = await (await connection.execute(_INSERT, {**values, "most": MOST})).fetchone()
        if row is None:
            message = f"there are {MOST} settings; delete one first"
            raise ApiError(409, "too_many_settings", message)
        subject = _subject(values)
        await audit.write(connection, author_of(request), Action.SETTING_ADDED, subject)
    return answer.done("successfully created advanced settings", str(row["guid"]))


async def change_setting(request: web.Request) -> web.Response:
    """All of one."""
    values = _values(await body.read(request, REQUIRED))
    guid = body.guid(request)
    async with request.app[CONTEXT].change() as connection:
        row = await (await connection.execute(_UPDATE, {**values, "guid": guid})).fetchone()
        if row is None:
            raise body.unknown()
        subject = _subject(values)
        await audit.write(connection, author_of(request), Action.SETTING_CHANGED, subject)
    return answer.done("successfully updated global_settings settings", str(guid), 200)


async def remove_setting(request: web.Request) -> web.Response:
    """One of them."""
    guid: UUID = body.guid(request)
    async with request.app[CONTEXT].change() as connection:
        row = await (await connection.execute(_REMOVE, (guid,))).fetchone()
        if row is None:
            raise body.unknown()
        subject = _subject(row)
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, subject)
    return answer.done("successfully deleted global_settings settings", str(guid), 200)


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "partid": body.number(given, "partid", 1),
        "category": body.word(given, "category"),
        "param": body.word(given, "param"),
        "data": body.jsonb("data", given.get("data", {})),
    }


def _subject(row: Mapping[str, Any]) -> str:
    """For the audit log, which has no values: there may be a secret among them."""
    return f"advanced {row['category']}/{row['param']}"


def _shown(request: web.Request, row: Mapping[str, Any]) -> dict[str, Any]:
    is_admin = Scope.ADMIN in principal_of(request).scopes
    data = row["data"] if is_admin else _masked(row["data"])
    return {**row, "guid": str(row["guid"]), "data": data}


def _masked(data: Any) -> Any:
    """Without what people write down as passwords."""
    if isinstance(data, dict):
        return {
            name: _MASK if name.lower() in _SECRETS else _masked(part)
            for name, part in data.items()
        }
    return [_masked(part) for part in data] if isinstance(data, list) else data
