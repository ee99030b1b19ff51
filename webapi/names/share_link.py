# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``share_link``: whoever has the token sees one call until it expires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector.api_token import LENGTH, SHARE_PREFIX, digest, new_token
from webapi import rows
from webapi.access.roles import SCOPES, Role, Scope
from webapi.context import Context
from webapi.errors import ApiError

REQUIRED: Final = ("call_id",)
OPTIONAL: Final = ("legs", "message_ids", "export", "duration", "note")
LEGS: Final = ("one", "all")
"""Of a call, whether its legs are in the link."""
MAX_PER_USER: Final = 500
"""Links that have not expired."""
MAX_MESSAGES: Final = 1000
MAX_NOTE: Final = 200

_COLUMNS: Final = sql.SQL(
    "link.id, username, call_ids, message_ids, may_export, note, link.created_at, expires_at,"
    " last_used_at, uses"
)
FIND: Final = sql.SQL(
    "SELECT link.id, call_ids, message_ids, may_export, expires_at, role FROM share_link AS link"
    " JOIN web_user ON web_user.id = user_id"
    " WHERE token_sha256 = %s AND expires_at > now() AND enabled"
)
LIST: Final = sql.SQL(
    "SELECT {} FROM share_link AS link JOIN web_user ON web_user.id = user_id"
    " WHERE (%(user)s::integer IS NULL OR user_id = %(user)s) AND link.id > %(after)s"
    " ORDER BY link.id LIMIT %(limit)s"
).format(_COLUMNS)
_COUNT: Final = sql.SQL(
    "SELECT count(*) AS links FROM share_link WHERE user_id = %s AND expires_at > now()"
)
_INSERT: Final = sql.SQL(
    "WITH added AS (INSERT INTO share_link (token_sha256, user_id, call_ids, message_ids,"
    " may_export, note, expires_at) VALUES (%s, %s, %s, %s, %s, %s, now() + %s) RETURNING *)"
    " SELECT {} FROM added AS link JOIN web_user ON web_user.id = user_id"
).format(_COLUMNS)
_TOUCH: Final = sql.SQL(
    "UPDATE share_link SET last_used_at = now(), uses = least(uses, 2147483646) + 1 WHERE id = %s"
)
_REVOKE: Final = sql.SQL(
    "WITH gone AS (DELETE FROM share_link WHERE id = %(id)s"
    " AND (%(user)s::integer IS NULL OR user_id = %(user)s) RETURNING *)"
    " SELECT {} FROM gone AS link JOIN web_user ON web_user.id = user_id"
).format(_COLUMNS)


class Wanted(NamedTuple):
    """A link that somebody asks for, checked."""

    call_ids: Sequence[str]
    """The call's first, then those of its legs."""
    message_ids: Sequence[int] | None
    """None: all messages."""
    may_export: bool
    note: str
    lifetime_s: float


class Link(NamedTuple):
    """What a token opens."""

    id: int
    call_ids: list[str]
    message_ids: list[int] | None
    may_export: bool
    expires_at: datetime


async def find(context: Context, token: str) -> Link | None:
    """None if there is none, not any more, or its maker is disabled or has lost the right.

    What the maker has lost since then, the link has lost, too.
    """
    if len(token) != LENGTH or not token.startswith(SHARE_PREFIX):
        return None
    async with context.connection() as connection:
        found = await context.query(connection, FIND, (digest(token),), prepare=True)
    if not found:
        return None
    row = found[0]
    rights = SCOPES[Role(row.pop("role"))]
    if Scope.READ not in rights:
        return None
    link = Link(**row)
    return link._replace(may_export=link.may_export and Scope.EXPORT in rights)


async def touch(connection: AsyncConnection[DictRow], link: Link) -> None:
    """It is being used."""
    await connection.execute(_TOUCH, (link.id,))


async def add(
    connection: AsyncConnection[DictRow], user_id: int, wanted: Wanted
) -> tuple[str, dict[str, Any]]:
    """The token, which is never shown again, and its row as JSON. Raises ApiError 409."""
    count = await (await connection.execute(_COUNT, (user_id,))).fetchone()
    if count and count["links"] >= MAX_PER_USER:
        message = f"a user has at most {MAX_PER_USER} share links; revoke one first"
        raise ApiError(409, "too_many_links", message)
    token = new_token(SHARE_PREFIX)
    message_ids = None if wanted.message_ids is None else list(wanted.message_ids)
    values = (
        *(digest(token), user_id, list(wanted.call_ids), message_ids, wanted.may_export),
        *(wanted.note, timedelta(seconds=wanted.lifetime_s)),
    )
    (row,) = await (await connection.execute(_INSERT, values)).fetchall()
    return token, _shown(row)


async def some(
    context: Context, user_id: int | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """As JSON, those of one user or of all, in the order of their ids."""
    values = {"user": user_id, "after": after, "limit": limit}
    async with context.connection() as connection:
        return [_shown(row) for row in await context.query(connection, LIST, values)]


async def revoke(
    connection: AsyncConnection[DictRow], link_id: int, user_id: int | None
) -> dict[str, Any]:
    """End it, if it is this user's, or whoever's. Raises ApiError 404."""
    cursor = await connection.execute(_REVOKE, {"id": link_id, "user": user_id})
    row = await cursor.fetchone()
    if row is None:
        raise ApiError(404, "not_found", "there is no such share link")
    return _shown(row)


def _shown(row: DictRow) -> dict[str, Any]:
    """As JSON; a browser's numbers cannot hold the ids of messages."""
    call_id, *legs = row.pop("call_ids")
    ids = row.pop("message_ids")
    return {
        "call_id": call_id,
        "legs": legs,
        "message_ids": None if ids is None else list(map(str, ids)),
        **rows.plain(row),
    }
