# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``api_token``: what programs show instead of a session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector.api_token import LENGTH, PREFIX, digest, new_token
from collector.settings.network import Network
from webapi import rows
from webapi.access.principal import Address, Principal
from webapi.access.roles import SCOPES, Role, Scope
from webapi.context import Context
from webapi.errors import ApiError

MAX_NAME: Final = 64
MAX_NETWORKS: Final = 20
MAX_PER_USER: Final = 50
_TOUCHED: Final = timedelta(minutes=1)
"""``last_used_at`` is written at most so often."""

FIND: Final = sql.SQL(
    "SELECT api_token.id, name, user_id, scopes, networks, username, role,"
    " (last_used_at IS NULL OR last_used_at < now() - %(touched)s) AS stale"
    " FROM api_token LEFT JOIN web_user ON web_user.id = user_id"
    " WHERE token_sha256 = %(digest)s AND expires_at > now()"
    " AND (user_id IS NULL OR enabled)"
)
_TOUCH: Final = sql.SQL("UPDATE api_token SET last_used_at = now() WHERE id = %s")
_COLUMNS: Final = sql.SQL(
    "api_token.id, name, username, scopes, networks, api_token.created_at, expires_at, last_used_at"
)
LIST: Final = sql.SQL(
    "SELECT {} FROM api_token JOIN web_user ON web_user.id = user_id"
    " WHERE (%(user)s::integer IS NULL OR user_id = %(user)s) AND api_token.id > %(after)s"
    " ORDER BY api_token.id LIMIT %(limit)s"
).format(_COLUMNS)
_COUNT: Final = sql.SQL(
    "SELECT count(*) AS tokens FROM api_token WHERE user_id = %s AND expires_at > now()"
)
_INSERT: Final = sql.SQL(
    "WITH added AS (INSERT INTO api_token (token_sha256, name, user_id, scopes, networks,"
    " expires_at) VALUES (%s, %s, %s, %s, %s::cidr[], now() + %s) RETURNING *)"
    " SELECT {} FROM added AS api_token JOIN web_user ON web_user.id = user_id"
).format(_COLUMNS)
_REMOVE: Final = sql.SQL(
    "DELETE FROM api_token WHERE id = %(id)s"
    " AND (%(user)s::integer IS NULL OR user_id = %(user)s) RETURNING name, user_id"
)


class Wanted(NamedTuple):
    """A token that somebody asks for, checked."""

    name: str
    scopes: Sequence[Scope]
    networks: Sequence[Network]
    lifetime_s: float


async def find(context: Context, token: str, address: Address) -> Principal | None:
    """Whose it is and what for; None if there is none, or not any more.

    Raises ApiError 403 from an address where it may not be used.
    """
    if len(token) != LENGTH or not token.startswith(PREFIX):
        return None
    async with context.connection() as connection:
        found = await context.query(
            connection, FIND, {"digest": digest(token), "touched": _TOUCHED}, prepare=True
        )
    if not found:
        return None
    (row,) = found
    if row["networks"] and not any(address in network for network in row["networks"]):
        message = "this token may not be used from this address"
        raise ApiError(403, "network_not_allowed", message)
    if row["stale"]:
        async with context.change() as connection:
            await connection.execute(_TOUCH, (row["id"],))
    scopes = frozenset(map(Scope, row["scopes"]))
    if row["user_id"] is None:
        return Principal(row["name"], scopes=scopes)
    role = Role(row["role"])
    # What the user has lost since then, the token has lost, too.
    return Principal(row["username"], row["user_id"], role, scopes & SCOPES[role])


async def add(
    connection: AsyncConnection[DictRow], user_id: int, wanted: Wanted
) -> tuple[str, dict[str, Any]]:
    """The token, which is never shown again, and its row as JSON. Raises ApiError 409."""
    count = await (await connection.execute(_COUNT, (user_id,))).fetchone()
    if count and count["tokens"] >= MAX_PER_USER:
        message = f"a user has at most {MAX_PER_USER} tokens; revoke one first"
        raise ApiError(409, "too_many_tokens", message)
    token = new_token()
    cursor = await connection.execute(
        _INSERT,
        (
            *(digest(token), wanted.name, user_id, [scope.value for scope in wanted.scopes]),
            *([str(network) for network in wanted.networks], timedelta(seconds=wanted.lifetime_s)),
        ),
    )
    (row,) = await cursor.fetchall()
    return token, rows.document(row)


async def some(
    context: Context, user_id: int | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Tokens as JSON, those of one user or of all, in the order of their ids."""
    values = {"user": user_id, "after": after, "limit": limit}
    async with context.connection() as connection:
        return [rows.document(row) for row in await context.query(connection, LIST, values)]


async def revoke(connection: AsyncConnection[DictRow], token_id: int, user_id: int | None) -> str:
    """End it, if it is this user's, or whoever's; returns its name. Raises ApiError 404."""
    cursor = await connection.execute(_REMOVE, {"id": token_id, "user": user_id})
    row = await cursor.fetchone()
    if row is None:
        raise ApiError(404, "not_found", "there is no such token")
    return str(row["name"])
