# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``trace_rule``: rules are added, and ended once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector.moment import to_text
from collector.trace_rule import ANY_METHOD, ENDED_S, MAX_NETWORKS, TraceRule
from webapi import rows
from webapi.access import audit
from webapi.access.audit import Action
from webapi.access.principal import Author
from webapi.context import Context
from webapi.errors import ApiError
from webapi.trace.asked import Asked

EXPIRED: Final = "expired"
REMOVED: Final = "removed"
STATES: Final = ("active", "ended", "all")
_LOCK: Final = 0x74726163  # "trac": rules are counted and added by one at a time
_MAX_RECENT: Final = 500
"""Rules that ended lately and are remembered for calls that may go on."""

_AUDITED: Final = ("kind", "value", "action", "calls", "methods", "requested_by", "reason")
_COLUMNS: Final = sql.SQL(
    "id, kind, value, action, percent, calls, methods, created_at, expires_at, requested_by,"
    " reason, ended_at, ended_by, ended"
)
_ACTIVE: Final = sql.SQL("SELECT {} FROM trace_rule WHERE ended_at IS NULL ORDER BY id").format(
    _COLUMNS
)
_RECENT: Final = sql.SQL(
    "SELECT {} FROM trace_rule WHERE ended_at > now() - %s ORDER BY ended_at DESC LIMIT %s"
).format(_COLUMNS)
_NOW: Final = sql.SQL("SELECT now() AS now")
_EXPIRE: Final = sql.SQL(
    "UPDATE trace_rule SET ended_at = expires_at, ended = {} WHERE ended_at IS NULL"
    " AND expires_at <= now()"
).format(EXPIRED)
_SUMS: Final = sql.SQL(
    "SELECT count(*) AS rules, coalesce(sum(calls), 0)::bigint AS calls,"
    " count(*) FILTER (WHERE kind = 'source') AS networks"
    " FROM trace_rule WHERE ended_at IS NULL"
)
_INSERT: Final = sql.SQL(
    "INSERT INTO trace_rule (kind, value, action, percent, calls, methods, expires_at,"
    " requested_by, reason)"
    " VALUES (%s, %s, %s, %s, %s, %s, now() + %s, %s, %s) RETURNING {}"
).format(_COLUMNS)
_SAME: Final = sql.SQL(
    "SELECT id, action, expires_at FROM trace_rule WHERE ended_at IS NULL AND kind = %s"
    " AND value = %s"
)
_END: Final = sql.SQL(
    "UPDATE trace_rule SET ended_at = now(), ended_by = %s, ended = {} WHERE id = %s"
    " AND ended_at IS NULL RETURNING {}"
).format(REMOVED, _COLUMNS)
_ONE: Final = sql.SQL("SELECT {} FROM trace_rule WHERE id = %s").format(_COLUMNS)
_LIST: Final = {
    "active": sql.SQL("ended_at IS NULL AND expires_at > now()"),
    "ended": sql.SQL("(ended_at IS NOT NULL OR expires_at <= now())"),
    "all": sql.SQL("true"),
}


class StoredRule(NamedTuple):
    """A rule with its history."""

    rule: TraceRule
    created_at: datetime
    requested_by: str
    reason: str
    ended_at: datetime | None
    ended_by: str | None
    ended: str | None
    """``EXPIRED``, ``REMOVED``, or None while it is in force."""

    def shown(self) -> dict[str, Any]:
        """The rule as JSON."""
        found = self.rule._asdict() | self._asdict()
        del found["rule"]
        return rows.plain(found | {"methods": self.rule.methods or (ANY_METHOD,)})


class Found(NamedTuple):
    """What the table says at one moment of PostgreSQL's clock."""

    now: datetime
    active: tuple[StoredRule, ...]
    recent: tuple[StoredRule, ...]
    """Ended so lately that calls of them may go on."""


async def read(context: Context) -> Found:
    """Rules in force and recently ended; those whose time is up are marked as ended before."""
    async with context.connection() as connection:
        found = await _read(context, connection)
    if any(stored.rule.expires_at <= found.now for stored in found.active):
        # Their time is up all the same when that cannot be written down.
        with suppress(ApiError):
            async with context.change() as connection:
                await connection.execute(_EXPIRE)
        async with context.connection() as connection:
            found = await _read(context, connection)
    return found


async def _read(context: Context, connection: AsyncConnection[DictRow]) -> Found:
    recent = await context.query(connection, _RECENT, (timedelta(seconds=ENDED_S), _MAX_RECENT))
    active = await context.query(connection, _ACTIVE)
    (clock,) = await context.query(connection, _NOW)
    return Found(clock["now"], tuple(map(_stored, active)), tuple(map(_stored, recent)))


async def add(context: Context, asked: Asked, author: Author) -> StoredRule:
    """Add a rule. Raises ApiError 409 for one that is there already or would be too much."""
    limits = context.settings.trace
    async with context.change() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute(_EXPIRE)
        same = await (await connection.execute(_SAME, (asked.kind, asked.value))).fetchone()
        if same:
            message = (
                f"rule {same['id']} ({same['action']}) has this kind and value until "
                f"{to_text(same['expires_at'])}; remove it first"
            )
            raise ApiError(409, "rule_exists", message, "value")
        sums = await (await connection.execute(_SUMS)).fetchone() or {}
        _check_room(asked, sums, limits.max_rules, limits.max_calls)
        cursor = await connection.execute(
            _INSERT,
            (
                *(asked.kind, asked.value, asked.action, asked.percent, asked.calls),
                *(list(asked.methods), timedelta(seconds=asked.duration_s)),
                *(asked.requested_by, asked.reason),
            ),
        )
        (row,) = await cursor.fetchall()
        detail = {name: row[name] for name in _AUDITED}
        await audit.write(connection, author, Action.TRACE_RULE_ADDED, str(row["id"]), detail)
    return _stored(row)


def _check_room(asked: Asked, sums: DictRow, max_rules: int, max_calls: int) -> None:
    if sums["rules"] >= max_rules:
        message = f"{max_rules} rules are in force (trace.max_rules); remove one first"
        raise ApiError(409, "too_many_rules", message)
    if sums["calls"] + asked.calls > max_calls:
        message = (
            f"the rules in force may trace {sums['calls']} of {max_calls} calls "
            "(trace.max_calls); ask for fewer"
        )
        raise ApiError(409, "too_many_calls", message, "calls")
    if asked.kind == "source" and sums["networks"] >= MAX_NETWORKS:
        message = f"{MAX_NETWORKS} rules of the kind source are the most that a proxy can have"
        raise ApiError(409, "too_many_rules", message, "kind")


async def end(context: Context, rule_id: int, requested_by: str, author: Author) -> StoredRule:
    """End a rule early. Raises ApiError 404 when there is none, 409 when it has ended already."""
    async with context.change() as connection:
        await connection.execute(_EXPIRE)
        row = await (await connection.execute(_END, (requested_by, rule_id))).fetchone()
        if row:
            await audit.write(
                *(connection, author, Action.TRACE_RULE_REMOVED, str(rule_id)),
                {"requested_by": requested_by},
            )
            return _stored(row)
        row = await (await connection.execute(_ONE, (rule_id,))).fetchone()
    if not row:
        raise _unknown(rule_id)
    by = f" by {row['ended_by']}" if row["ended_by"] else ""
    message = f"rule {rule_id} has ended at {to_text(row['ended_at'])}: {row['ended']}{by}"
    raise ApiError(409, "rule_ended", message)


async def one(context: Context, rule_id: int) -> StoredRule:
    """Raises ApiError 404 for one that is not there."""
    async with context.connection() as connection:
        found = await context.query(connection, _ONE, (rule_id,))
    if not found:
        raise _unknown(rule_id)
    return _stored(found[0])


async def some(
    context: Context, state: str, limit: int, before: int | None
) -> Sequence[StoredRule]:
    """The newest first; ``state`` is one of ``STATES``, ``before`` an id."""
    statement = sql.SQL(
        "SELECT {} FROM trace_rule WHERE {} AND (%(before)s::integer IS NULL OR id < %(before)s)"
        " ORDER BY id DESC LIMIT %(limit)s"
    ).format(_COLUMNS, _LIST[state])
    async with context.connection() as connection:
        found = await context.query(connection, statement, {"before": before, "limit": limit})
    return [_stored(row) for row in found]


def _unknown(rule_id: int) -> ApiError:
    return ApiError(404, "not_found", f"there is no rule {rule_id}")


def _stored(row: DictRow) -> StoredRule:
    return StoredRule(
        TraceRule(
            *(row["id"], row["kind"], row["value"], row["action"], float(row["percent"])),
            *(row["calls"], tuple(row["methods"]), row["expires_at"]),
        ),
        *(row["created_at"], row["requested_by"], row["reason"]),
        *(row["ended_at"], row["ended_by"], row["ended"]),
    )
