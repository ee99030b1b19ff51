# SPDX-License-Identifier: GPL-2.0-or-later
"""The audit log: who did what, when and from where. Rows are added and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from collector.backup import restore
from collector.log import one_line
from webapi import rows
from webapi.access.principal import Author
from webapi.context import Context

MAX_TEXT: Final = 1000
"""Characters of a name or a subject."""
_NONE: Final[Mapping[str, Any]] = {}
MAX_ID: Final = 9_999_999_999


class Action(StrEnum):
    """What is written down."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (not a password)
    USER_ADDED = "user_added"
    USER_CHANGED = "user_changed"
    USER_REMOVED = "user_removed"
    TOKEN_ADDED = "token_added"  # noqa: S105 (not a password)
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 (not a password)
    TRACE_RULE_ADDED = "trace_rule_added"
    TRACE_RULE_REMOVED = "trace_rule_removed"
    SETTING_ADDED = "setting_added"
    SETTING_CHANGED = "setting_changed"
    SETTING_REMOVED = "setting_removed"
    EXPORTED = "exported"
    IMPORTED = "imported"
    ALIAS_ADDED = "alias_added"
    ALIAS_CHANGED = "alias_changed"
    ALIAS_REMOVED = "alias_removed"
    ALIASES_IMPORTED = "aliases_imported"
    SAVED_SEARCH_ADDED = "saved_search_added"
    SAVED_SEARCH_CHANGED = "saved_search_changed"
    SAVED_SEARCH_REMOVED = "saved_search_removed"
    SHARE_LINK_ADDED = "share_link_added"
    SHARE_LINK_OPENED = "share_link_opened"
    SHARE_LINK_REVOKED = "share_link_revoked"
    RESTORED = restore.ACTION


_INSERT: Final = sql.SQL(
    "INSERT INTO audit_log (username, address, action, subject, detail) VALUES (%s, %s, %s, %s, %s)"
)
LIST: Final = sql.SQL(
    "SELECT id, at, username, address, action, subject, detail FROM audit_log WHERE {}"
    " ORDER BY id DESC LIMIT %(limit)s"
)
FILTERS: Final = {
    "before": sql.SQL("id < %(before)s"),
    "username": sql.SQL("username = %(username)s"),
    "action": sql.SQL("action = %(action)s"),
    "from": sql.SQL("at >= %(from)s"),
    "to": sql.SQL("at < %(to)s"),
}
"""What the log can be searched by, each ANDed when it is asked for."""


async def write(
    connection: AsyncConnection[DictRow],
    author: Author,
    action: Action,
    subject: str = "",
    detail: Mapping[str, Any] = _NONE,
) -> None:
    """Add a row, in the transaction of what it tells. ``detail`` has no secrets."""
    shown = rows.document(detail)
    await connection.execute(
        _INSERT,
        (_text(author.username), author.address, action.value, _text(subject), Jsonb(shown)),
    )


async def record(context: Context, author: Author, action: Action, subject: str = "") -> None:
    """Add a row by itself. Raises ApiError 503 when that is not possible."""
    async with context.change() as connection:
        await write(connection, author, action, subject)


async def some(
    context: Context, filters: Mapping[str, Any], limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Rows as JSON, the newest first, and the id to go on before; ``filters`` as in FILTERS."""
    statement = select(filters)
    async with context.connection() as connection:
        found = await context.query(connection, statement, {**filters, "limit": limit + 1})
    more = len(found) > limit
    return [rows.document(row) for row in found[:limit]], found[limit - 1]["id"] if more else None


def select(filters: Mapping[str, Any]) -> sql.Composed:
    """The statement with these filters and ``limit``."""
    conditions = [FILTERS[name] for name in filters] or [sql.SQL("true")]
    return LIST.format(sql.SQL(" AND ").join(conditions))


def _text(text: str) -> str:
    """Somebody may sign in with any name: it is text that PostgreSQL and a terminal can take."""
    return one_line(text.encode(errors="replace").decode())[:MAX_TEXT]
