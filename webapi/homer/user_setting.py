# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``homer_user_setting``: settings of one user, among them the dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import DictRow

from webapi.context import Context
from webapi.errors import ApiError
from webapi.homer import body

DASHBOARD: Final = "dashboard"
"""The category of dashboards; ``param`` is the dashboard's id."""
MOST: Final = 200
"""Settings of one user; one more is refused."""

_COLUMNS: Final = sql.SQL(
    "homer_user_setting.id, guid, user_id, username, partid, category, param, data"
)
_HEAD: Final = sql.SQL(
    "SELECT {} FROM homer_user_setting JOIN web_user ON web_user.id = user_id"
).format(_COLUMNS)
ALL: Final = _HEAD + sql.SQL(" ORDER BY username, category, param LIMIT %(limit)s")
OWN: Final = _HEAD + sql.SQL(
    " WHERE user_id = %(user)s AND (%(category)s::text IS NULL OR category = %(category)s)"
    " ORDER BY category, param LIMIT %(limit)s"
)
BY_GUID: Final = _HEAD + sql.SQL(" WHERE guid = %s")
DASHBOARDS: Final = _HEAD + sql.SQL(
    " WHERE category = 'dashboard' AND (user_id = %(user)s OR data->>'shared' IN ('true', '1'))"
    " AND (%(param)s::text IS NULL OR param = %(param)s)"
    " ORDER BY user_id IS DISTINCT FROM %(user)s, homer_user_setting.id LIMIT %(limit)s"
)
"""One's own, then those that others share."""
_COUNT: Final = sql.SQL("SELECT count(*) AS settings FROM homer_user_setting WHERE user_id = %s")
_INSERT: Final = sql.SQL(
    "INSERT INTO homer_user_setting (user_id, partid, category, param, data)"
    " VALUES (%(user_id)s, %(partid)s, %(category)s, %(param)s, %(data)s) RETURNING guid"
)
_UPDATE: Final = sql.SQL(
    "UPDATE homer_user_setting SET user_id = %(user_id)s, partid = %(partid)s,"
    " category = %(category)s, param = %(param)s, data = %(data)s WHERE guid = %(guid)s"
)
_REMOVE: Final = sql.SQL("DELETE FROM homer_user_setting WHERE guid = %s")
_PUT_DASHBOARD: Final = sql.SQL(
    "UPDATE homer_user_setting SET data = %(data)s"
    " WHERE user_id = %(user_id)s AND category = 'dashboard' AND param = %(param)s RETURNING guid"
)
_REMOVE_DASHBOARDS: Final = sql.SQL(
    "DELETE FROM homer_user_setting WHERE user_id = %(user)s AND category = 'dashboard'"
    " AND (%(param)s::text IS NULL OR param = %(param)s) RETURNING guid"
)


async def some(
    context: Context, user_id: int | None, category: str | None = None
) -> list[dict[str, Any]]:
    """As HOMER shows them: of a user and perhaps of a category, or everybody's."""
    values = {"user": user_id, "category": category, "limit": context.settings.web.max_rows}
    async with context.connection() as connection:
        found = await context.query(connection, ALL if user_id is None else OWN, values)
    return [_shown(row) for row in found]


async def one(context: Context, guid: UUID) -> DictRow:
    """Raises ApiError 404."""
    async with context.connection() as connection:
        found = await context.query(connection, BY_GUID, (guid,))
    if not found:
        raise body.unknown()
    return found[0]


async def add(connection: AsyncConnection[DictRow], values: Mapping[str, Any]) -> str:
    """``values`` are columns; returns the guid. Raises ApiError 409 for too many, and for a
    dashboard that is there."""
    row = await (await connection.execute(_COUNT, (values["user_id"],))).fetchone()
    if row and row["settings"] >= MOST:
        message = f"a user has at most {MOST} settings and dashboards; delete one first"
        raise ApiError(409, "too_many_settings", message)
    try:
        cursor = await connection.execute(_INSERT, values)
    except errors.UniqueViolation:
        raise _exists() from None
    (added,) = await cursor.fetchall()
    return str(added["guid"])


async def change(connection: AsyncConnection[DictRow], values: Mapping[str, Any]) -> None:
    """``values`` are all columns and the guid. Raises ApiError 409 as ``add``."""
    try:
        await connection.execute(_UPDATE, values)
    except errors.UniqueViolation:
        raise _exists() from None


async def remove(connection: AsyncConnection[DictRow], guid: UUID) -> None:
    """Whosever it is: the caller has looked."""
    await connection.execute(_REMOVE, (guid,))


async def dashboards(
    context: Context, user_id: int | None, param: str | None = None
) -> list[DictRow]:
    """One's own, then those that others share; with ``param`` only those of this id."""
    values = {"user": user_id, "param": param, "limit": context.settings.web.max_rows}
    async with context.connection() as connection:
        return await context.query(connection, DASHBOARDS, values)


async def put_dashboard(
    connection: AsyncConnection[DictRow], values: Mapping[str, Any], *, make: bool
) -> bool:
    """Replace one's own dashboard, or with ``make`` add it; whether there is one now."""
    found = await (await connection.execute(_PUT_DASHBOARD, values)).fetchone()
    if found is None and make:
        await add(connection, values)
    return found is not None or make


async def remove_dashboards(
    connection: AsyncConnection[DictRow], user_id: int, param: str | None = None
) -> int:
    """One's own, all or the one of this id; returns how many there were."""
    values = {"user": user_id, "param": param}
    return (await connection.execute(_REMOVE_DASHBOARDS, values)).rowcount


def _shown(row: DictRow) -> dict[str, Any]:
    shown = {**row, "guid": str(row["guid"]), "external": False}
    del shown["user_id"]
    return shown


def _exists() -> ApiError:
    return ApiError(409, "dashboard_exists", "there is a dashboard with this id")
