# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``alias``: names of addresses and networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import DictRow

from webapi import rows
from webapi.context import Context
from webapi.errors import ApiError

Network: TypeAlias = IPv4Network | IPv6Network
MAX_NAME: Final = 250
MAX_TEXT: Final = 64
"""Characters of the other texts."""
CHANGEABLE: Final = (*("name", "network", "port", "capture_node", "type", "capture_id", "enabled"),)

RANK: Final = sql.SQL(
    "(capture_node <> '') DESC, masklen(network) DESC, (port <> 0) DESC, alias.id"
)
"""Which alias wins where several hold, the first one: one for the capture node before one for every
node, then the longest prefix, then one for the port, then the oldest."""
_COLUMNS: Final = sql.SQL(
    "id, guid, name, network, port, capture_node, type, capture_id, enabled, created_at, changed_at"
)
_HEAD: Final = sql.SQL("SELECT {} FROM alias").format(_COLUMNS)
LIST: Final = _HEAD + sql.SQL(" WHERE id > %s ORDER BY id LIMIT %s")
BY_ID: Final = _HEAD + sql.SQL(" WHERE id = %s")
BY_GUID: Final = _HEAD + sql.SQL(" WHERE guid = %s")
IN_FORCE: Final = _HEAD + sql.SQL(" WHERE enabled ORDER BY {} LIMIT %s").format(RANK)
"""In the order in which they win."""
VERSION: Final = sql.SQL("SELECT number FROM alias_version")
_COUNT: Final = sql.SQL("SELECT count(*) AS aliases FROM alias")
# Whoever comes second waits here, so that both together do not make more than there may be.
_LOCK: Final = sql.SQL("SELECT FROM alias_version FOR UPDATE")
# One statement for all of them: the trigger counts statements.
_INSERT: Final = sql.SQL(
    "INSERT INTO alias (name, network, port, capture_node, type, capture_id, enabled)"
    " SELECT * FROM unnest(%s::text[], %s::cidr[], %s::integer[], %s::text[], %s::text[],"
    " %s::text[], %s::boolean[])"
)
_INSERT_ONE: Final = _INSERT + sql.SQL(" RETURNING {}").format(_COLUMNS)
_PUT: Final = _INSERT + sql.SQL(
    " ON CONFLICT (network, port, capture_node, capture_id) DO UPDATE SET name = excluded.name,"
    " type = excluded.type, enabled = excluded.enabled, changed_at = now()"
)
_REMOVE: Final = sql.SQL("DELETE FROM alias WHERE id = %s RETURNING {}").format(_COLUMNS)
_CLEAR: Final = sql.SQL("DELETE FROM alias")


class Wanted(NamedTuple):
    """An alias as somebody asks for it, checked."""

    name: str
    network: Network
    port: int = 0
    """0: every port."""
    capture_node: str = ""
    """Empty: whatever node captured it."""
    type: str = ""
    capture_id: str = ""
    """HOMER's ``captureID``, kept for its clients."""
    enabled: bool = True


class Alias(NamedTuple):
    """A row."""

    id: int
    guid: UUID
    name: str
    network: Network
    port: int
    capture_node: str
    type: str
    capture_id: str
    enabled: bool
    created_at: datetime
    changed_at: datetime

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = rows.document(self._asdict())
        return {**found, "guid": str(self.guid)}


async def some(context: Context, after: int, limit: int) -> list[Alias]:
    """In the order of their ids, from the first one behind ``after``."""
    async with context.connection() as connection:
        return [Alias(**row) for row in await context.query(connection, LIST, (after, limit))]


async def one(context: Context, alias_id: int) -> Alias:
    """Raises ApiError 404."""
    async with context.connection() as connection:
        found = await context.query(connection, BY_ID, (alias_id,))
    if not found:
        raise _unknown()
    return Alias(**found[0])


async def by_guid(context: Context, guid: UUID) -> Alias | None:
    """The one that HOMER's API calls so."""
    async with context.connection() as connection:
        found = await context.query(connection, BY_GUID, (guid,))
    return Alias(**found[0]) if found else None


async def add(connection: AsyncConnection[DictRow], wanted: Wanted, most: int) -> Alias:
    """``most`` is ``web.max_aliases``. Raises ApiError 409 for one that is there, and for too
    many."""
    await _room(connection, 1, most)
    try:
        cursor = await connection.execute(_INSERT_ONE, _columns([wanted]))
    except errors.UniqueViolation:
        raise _exists() from None
    return _found(await cursor.fetchone())


async def put(
    connection: AsyncConnection[DictRow], wanted: Sequence[Wanted], most: int, *, replace: bool
) -> None:
    """All of these; one with the same network, port, node and captureID gets what is new, and of
    several among them the last one counts.

    With ``replace`` the others go. Raises ApiError 409 when there would be too many.
    """
    await connection.execute(_LOCK)
    if replace:
        await connection.execute(_CLEAR)
    last = {(w.network, w.port, w.capture_node, w.capture_id): w for w in wanted}
    await connection.execute(_PUT, _columns(last.values()))
    await _room(connection, 0, most)


async def change(
    connection: AsyncConnection[DictRow], alias_id: int, changes: Mapping[str, Any]
) -> Alias:
    """``changes`` are of CHANGEABLE. Raises ApiError 404, or 409 when another one is the same."""
    sets = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in CHANGEABLE
        if name in changes
    ]
    statement = sql.SQL("UPDATE alias SET {} WHERE id = %(id)s RETURNING {}").format(
        sql.SQL(", ").join([*sets, sql.SQL("changed_at = now()")]), _COLUMNS
    )
    try:
        cursor = await connection.execute(statement, {**changes, "id": alias_id})
    except errors.UniqueViolation:
        raise _exists() from None
    return _found(await cursor.fetchone())


async def remove(connection: AsyncConnection[DictRow], alias_id: int) -> Alias:
    """Raises ApiError 404."""
    return _found(await (await connection.execute(_REMOVE, (alias_id,))).fetchone())


def _columns(wanted: Iterable[Wanted]) -> list[list[Any]]:
    """A list for each column."""
    listed = [w._asdict() | {"network": str(w.network)} for w in wanted]
    return [[one_[name] for one_ in listed] for name in Wanted._fields]


async def _room(connection: AsyncConnection[DictRow], more: int, most: int) -> None:
    """Raise ApiError 409 unless there may be so many more."""
    await connection.execute(_LOCK)
    row = await (await connection.execute(_COUNT)).fetchone()
    if row and row["aliases"] + more > most:
        message = f"there may be {most} aliases (web.max_aliases), and there would be more"
        raise ApiError(409, "too_many_aliases", message)


def _found(row: DictRow | None) -> Alias:
    if row is None:
        raise _unknown()
    return Alias(**row)


def _unknown() -> ApiError:
    return ApiError(404, "not_found", "there is no such alias")


def _exists() -> ApiError:
    message = "there is an alias for this network, port and capture node"
    return ApiError(409, "alias_exists", message, "network")
