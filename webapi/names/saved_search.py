# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``saved_search``: what somebody searches for again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from webapi import rows
from webapi.context import Context
from webapi.errors import ApiError
from webapi.subject import CALLS, MESSAGES, REGISTRATIONS, Subject

SUBJECTS: Final[Mapping[str, Subject]] = {
    subject.name: subject for subject in (CALLS, MESSAGES, REGISTRATIONS)
}
"""What can be searched for, by the kind of a saved search."""
REQUIRED: Final = ("name", "kind", "parameters")
OPTIONAL: Final = ("shared",)
CHANGED: Final = ("name", "parameters", "shared")
MAX_NAME: Final = 100
MAX_PER_USER: Final = 200

_FROM: Final = sql.SQL(
    "SELECT search.id, name, kind, parameters, shared, username,"
    " user_id IS NOT DISTINCT FROM %(user)s::integer AS own, search.created_at, changed_at"
    " FROM {} AS search JOIN web_user ON web_user.id = user_id"
)
_SEEN: Final = _FROM.format(sql.SQL("saved_search")) + sql.SQL(
    " WHERE (user_id = %(user)s::integer OR (shared AND enabled))"
)
LIST: Final = _SEEN + sql.SQL(
    " AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND search.id > %(after)s"
    " ORDER BY search.id LIMIT %(limit)s"
)
ONE: Final = _SEEN + sql.SQL(" AND search.id = %(id)s")
_COUNT: Final = sql.SQL("SELECT count(*) AS searches FROM saved_search WHERE user_id = %s")
# Whoever comes second waits here, so that both together do not make more than there may be.
_LOCK: Final = sql.SQL("SELECT pg_advisory_xact_lock(%s, %s)")
_LOCK_SPACE: Final = 0x73656172  # "sear"
_INSERT: Final = sql.SQL(
    "WITH changed AS (INSERT INTO saved_search (user_id, name, kind, parameters, shared) VALUES"
    " (%(user)s, %(name)s, %(kind)s, %(parameters)s, %(shared)s) RETURNING *) "
) + _FROM.format(sql.SQL("changed"))
_UPDATE: Final = sql.SQL(
    "WITH changed AS (UPDATE saved_search SET name = coalesce(%(name)s, name),"
    " parameters = coalesce(%(parameters)s, parameters), shared = coalesce(%(shared)s, shared),"
    " changed_at = now() WHERE id = %(id)s AND user_id = %(user)s RETURNING *) "
) + _FROM.format(sql.SQL("changed"))
_REMOVE: Final = sql.SQL(
    "WITH changed AS (DELETE FROM saved_search WHERE id = %(id)s"
    " AND (user_id = %(user)s OR (shared AND %(any)s)) RETURNING *) "
) + _FROM.format(sql.SQL("changed"))


async def some(
    context: Context, user_id: int | None, kind: str | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """As JSON, in the order of their ids: the user's own and those that are shared with all."""
    values = {"user": user_id, "kind": kind, "after": after, "limit": limit}
    async with context.connection() as connection:
        return [rows.plain(row) for row in await context.query(connection, LIST, values)]


async def one(context: Context, user_id: int | None, search_id: int) -> dict[str, Any]:
    """As JSON. Raises ApiError 404, also for one that is not shown to the user."""
    async with context.connection() as connection:
        found = await context.query(connection, ONE, {"user": user_id, "id": search_id})
    return _shown(found[0] if found else None)


async def add(
    connection: AsyncConnection[DictRow],
    user_id: int,
    name: str,
    kind: str,
    parameters: Mapping[str, str],
    *,
    shared: bool,
) -> dict[str, Any]:
    """As JSON. Raises ApiError 409 for a name that the user has, and for too many."""
    await connection.execute(_LOCK, (_LOCK_SPACE, user_id))
    count = await (await connection.execute(_COUNT, (user_id,))).fetchone()
    if count and count["searches"] >= MAX_PER_USER:
        message = f"a user has at most {MAX_PER_USER} saved searches; remove one first"
        raise ApiError(409, "too_many_searches", message)
    values = {"name": name, "kind": kind, "parameters": Jsonb(dict(parameters)), "shared": shared}
    return await _write(connection, _INSERT, {"user": user_id, **values})


async def change(
    connection: AsyncConnection[DictRow],
    user_id: int,
    search_id: int,
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """One's own: ``name``, ``parameters``, ``shared``. Raises ApiError 404 and 409."""
    values = dict.fromkeys(("name", "parameters", "shared")) | dict(changes)
    if values["parameters"] is not None:
        values["parameters"] = Jsonb(values["parameters"])
    return await _write(connection, _UPDATE, {"user": user_id, "id": search_id, **values})


async def remove(
    connection: AsyncConnection[DictRow], user_id: int, search_id: int, *, of_anybody: bool
) -> dict[str, Any]:
    """One's own, or with ``of_anybody`` one that is shared. Raises ApiError 404."""
    values = {"user": user_id, "id": search_id, "any": of_anybody}
    return await _write(connection, _REMOVE, values)


async def _write(
    connection: AsyncConnection[DictRow], statement: sql.Composed, values: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        return _shown(await (await connection.execute(statement, values)).fetchone())
    except errors.UniqueViolation:
        message = "you have a saved search of this kind with this name"
        raise ApiError(409, "search_exists", message, "name") from None


def _shown(row: DictRow | None) -> dict[str, Any]:
    if row is None:
        raise ApiError(404, "not_found", "there is no such saved search, or it is not yours")
    return rows.plain(row)
