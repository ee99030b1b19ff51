# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings: those that are built in, and over them those of the table ``homer_mapping``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from webapi.context import Context
from webapi.errors import ApiError
from webapi.homer import body

MOST: Final = 200
"""Stored mappings of a kind; one more is refused."""
_NAMES: Final = UUID("5b4e6a0d-52c9-4d0e-9f0f-6e7a1c0b8d11")
LIST: Final = sql.SQL(
    "SELECT guid, hepid, profile, document FROM homer_mapping WHERE kind = %s"
    " ORDER BY hepid, profile"
)
_PUT: Final = sql.SQL(
    "INSERT INTO homer_mapping (guid, kind, hepid, profile, document)"
    " SELECT %(guid)s, %(kind)s, %(hepid)s, %(profile)s, %(document)s"
    " WHERE (SELECT count(*) FROM homer_mapping WHERE kind = %(kind)s) < %(most)s"
    " OR EXISTS (SELECT FROM homer_mapping WHERE guid = %(guid)s)"
    " ON CONFLICT (guid) DO UPDATE SET hepid = excluded.hepid, profile = excluded.profile,"
    " document = excluded.document RETURNING guid"
)
_REMOVE: Final = sql.SQL("DELETE FROM homer_mapping WHERE kind = %s AND guid = %s RETURNING guid")
_CLEAR: Final = sql.SQL("DELETE FROM homer_mapping WHERE kind = %s")

Row = dict[str, Any]
"""A mapping as HOMER's clients know it, with ``guid``, ``hepid`` and ``profile``."""


def built_in(kind: str, hepid: int, profile: str, document: Mapping[str, Any]) -> Row:
    """A row that is there without being stored; its guid is always the same."""
    guid = uuid5(_NAMES, f"{kind}:{hepid}:{profile}")
    return {"guid": str(guid), "profile": profile, "hepid": hepid, **document}


class Mappings:
    """Those of one kind."""

    def __init__(self, kind: str, stock: list[Row]) -> None:
        self.kind = kind
        self._stock = stock

    async def all(self, context: Context) -> list[Row]:
        """The built-in ones in their order, as they are stored if they are, then the others."""
        async with context.connection() as connection:
            found = await context.query(connection, LIST, (self.kind,))
        stored = {(row["hepid"], row["profile"]): _row(row) for row in found}
        listed = [stored.pop(_key(row), row) for row in self._stock]
        return [*listed, *stored.values()]

    async def one(self, context: Context, guid: UUID) -> Row:
        """Raises ApiError 404."""
        for row in await self.all(context):
            if row["guid"] == str(guid):
                return row
        raise body.unknown()

    async def put(self, connection: AsyncConnection[DictRow], row: Row) -> None:
        """Store it under its guid. Raises ApiError 409 when another one is for the same packets,
        and for too many."""
        if any(_key(row) == _key(own) and row["guid"] != own["guid"] for own in self._stock):
            raise _exists()
        document = {name: row[name] for name in row if name not in ("guid", "hepid", "profile")}
        values: dict[str, Any] = {
            **{name: row[name] for name in ("guid", "hepid", "profile")},
            "kind": self.kind,
            "document": _document(document),
            "most": MOST,
        }
        try:
            found = await (await connection.execute(_PUT, values)).fetchone()
        except errors.UniqueViolation:
            raise _exists() from None
        if found is None:
            message = f"there are {MOST} mappings; delete one first"
            raise ApiError(409, "too_many_mappings", message)

    async def remove(self, connection: AsyncConnection[DictRow], guid: UUID) -> None:
        """What is stored; a built-in one is as it was again. Raises ApiError 404."""
        removed = (await connection.execute(_REMOVE, (self.kind, guid))).rowcount
        if not removed and not self.is_built_in(guid):
            raise body.unknown()

    async def clear(self, connection: AsyncConnection[DictRow]) -> None:
        """All that is stored."""
        await connection.execute(_CLEAR, (self.kind,))

    def is_built_in(self, guid: UUID) -> bool:
        """Whether it is there without being stored."""
        return any(row["guid"] == str(guid) for row in self._stock)


def _document(document: Row) -> Jsonb:
    return body.jsonb("mapping", document)


def _key(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["hepid"], row["profile"]


def _row(row: DictRow) -> Row:
    shown = {"guid": str(row["guid"]), "profile": row["profile"], "hepid": row["hepid"]}
    return {**row["document"], **shown}


def _exists() -> ApiError:
    return ApiError(409, "mapping_exists", "there is a mapping for this hepid and profile")
