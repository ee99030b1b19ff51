# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``web_user``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import DictRow

from webapi import rows
from webapi.access.roles import Role
from webapi.context import Context
from webapi.errors import ApiError

INTERNAL: Final = "internal"
"""The source of users whose password we check."""
MAX_NAME: Final = 64
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
NAME_RULE: Final = "must be 1 to 64 letters, digits and ._@-, and begin with a letter or digit"
CHANGEABLE: Final = ("role", "email", "full_name", "enabled")
"""Beside the password."""

_LOCK: Final = 0x75736572  # "user": changes that might take the last administrator, one at a time
COLUMNS: Final = sql.SQL(
    "id, username, password_hash, role, email, full_name, enabled, source, must_change_password,"
    " created_at, password_changed_at"
)
BY_NAME: Final = sql.SQL("SELECT {} FROM web_user WHERE lower(username) = lower(%s)").format(
    COLUMNS
)
BY_ID: Final = sql.SQL("SELECT {} FROM web_user WHERE id = %s").format(COLUMNS)
LIST: Final = sql.SQL("SELECT {} FROM web_user WHERE id > %s ORDER BY id LIMIT %s").format(COLUMNS)
_INSERT: Final = sql.SQL(
    "INSERT INTO web_user (username, password_hash, role, email, full_name, must_change_password,"
    " password_changed_at) VALUES (%s, %s, %s, %s, %s, %s, now()) RETURNING {}"
).format(COLUMNS)
_SET_PASSWORD: Final = sql.SQL(
    "UPDATE web_user SET password_hash = %s, must_change_password = %s,"
    " password_changed_at = now() WHERE id = %s RETURNING {}"
).format(COLUMNS)
_REHASH: Final = sql.SQL("UPDATE web_user SET password_hash = %s WHERE id = %s")
_REMOVE: Final = sql.SQL("DELETE FROM web_user WHERE id = %s RETURNING {}").format(COLUMNS)
_ADMINS: Final = sql.SQL("SELECT 1 FROM web_user WHERE role = {} AND enabled LIMIT 1").format(
    Role.ADMIN.value
)


class User(NamedTuple):
    """A row."""

    id: int
    username: str
    password_hash: str | None
    role: Role
    email: str
    full_name: str
    enabled: bool
    source: str
    must_change_password: bool
    created_at: datetime
    password_changed_at: datetime | None

    def shown(self) -> dict[str, Any]:
        """As JSON, without the hash."""
        found = self._asdict()
        del found["password_hash"]
        return rows.plain(found)


async def by_name(context: Context, username: str) -> User | None:
    """Upper and lower case are one."""
    async with context.connection() as connection:
        found = await context.query(connection, BY_NAME, (username,))
    return of_row(found[0]) if found else None


async def one(context: Context, user_id: int) -> User:
    """Raises ApiError 404."""
    async with context.connection() as connection:
        found = await context.query(connection, BY_ID, (user_id,))
    if not found:
        raise _unknown()
    return of_row(found[0])


async def some(context: Context, after: int, limit: int) -> list[User]:
    """In the order of their ids, from the first one behind ``after``."""
    async with context.connection() as connection:
        return [of_row(row) for row in await context.query(connection, LIST, (after, limit))]


async def add(
    connection: AsyncConnection[DictRow],
    username: str,
    password_hash: str,
    role: Role,
    *,
    email: str = "",
    full_name: str = "",
    must_change_password: bool = False,
) -> User:
    """Raises ApiError 409 when there is one with this name."""
    values = (username, password_hash, role.value, email, full_name, must_change_password)
    try:
        return of_row(await _one(connection, _INSERT, values))
    except errors.UniqueViolation:
        raise ApiError(409, "user_exists", f"there is a user {username}", "username") from None


async def change(
    connection: AsyncConnection[DictRow], user_id: int, changes: Mapping[str, Any]
) -> User:
    """``changes`` are of CHANGEABLE. Raises ApiError 404, or 409 for the last administrator."""
    sets = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in CHANGEABLE
        if name in changes
    )
    statement = sql.SQL("UPDATE web_user SET {} WHERE id = %(id)s RETURNING {}").format(
        sets, COLUMNS
    )
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    changed = of_row(await _one(connection, statement, {**changes, "id": user_id}))
    await _check_admin(connection)
    return changed


async def set_password(
    connection: AsyncConnection[DictRow], user_id: int, password_hash: str, *, must_change: bool
) -> User:
    """Raises ApiError 404, and 409 for a user whose password somebody else checks."""
    try:
        return of_row(await _one(connection, _SET_PASSWORD, (password_hash, must_change, user_id)))
    except errors.CheckViolation:
        raise not_internal() from None


async def rehash(connection: AsyncConnection[DictRow], user_id: int, password_hash: str) -> None:
    """The same password in a new form."""
    await connection.execute(_REHASH, (password_hash, user_id))


async def remove(connection: AsyncConnection[DictRow], user_id: int) -> User:
    """With sessions and tokens. Raises ApiError 404, or 409 for the last administrator."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    removed = of_row(await _one(connection, _REMOVE, (user_id,)))
    await _check_admin(connection)
    return removed


def not_internal() -> ApiError:
    """Whose password we cannot change."""
    message = "this user's password is kept by another system"
    return ApiError(409, "not_internal", message, "password")


async def _check_admin(connection: AsyncConnection[DictRow]) -> None:
    cursor = await connection.execute(_ADMINS)
    if not await cursor.fetchone():
        message = "somebody must be left who is enabled and has the role admin"
        raise ApiError(409, "last_admin", message)


async def _one(
    connection: AsyncConnection[DictRow],
    statement: sql.Composed,
    values: tuple[Any, ...] | dict[str, Any],
) -> DictRow:
    row = await (await connection.execute(statement, values)).fetchone()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> ApiError:
    return ApiError(404, "not_found", "there is no such user")


def of_row(row: DictRow) -> User:
    """A row with ``COLUMNS``."""
    return User(**{**row, "role": Role(row["role"])})
