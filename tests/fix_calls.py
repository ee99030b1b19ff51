# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages of flows through the real hop, store and correlation into a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from collector import hop
from collector.correlation.fact import Fact, ReportFact
from collector.correlation.pending import Pending
from collector.correlation.writer import Writer
from collector.hop import Batch
from collector.journal import record
from collector.selection import Selection
from collector.store import Store
from tests.fix_api import OPTIONS, PEER, load_settings
from tests.fix_database import Database
from tests.flow import Message

Row = dict[str, Any]

HALF_HOUR: Final = 1800.0
"""Length of a partition in tests, s."""
SECOND_NODE: Final = 2002
LATER_US: Final = 300
_FILING: Final = ("ts",)
"""Depends on who came first, and nothing else may."""


class Ingesting:
    """An ingest process: what it has stored and not yet written, over a connection of its own."""

    def __init__(
        self,
        connection: AsyncConnection[TupleRow],
        selection: Selection | None = None,
        process: int = 0,
        node: int = 1,
    ) -> None:
        self._connection = connection
        self._store = Store(UUID(int=node), process)
        self._pending = Pending()
        self.writer = Writer(HALF_HOUR)
        self._options = OPTIONS._replace(selection=selection, correlate=True)

    async def prepare(self) -> None:
        """Make the connection ready."""
        await self.writer.prepare(self._connection)

    async def store(self, messages: Iterable[Message]) -> list[Fact | ReportFact]:
        """Commit the rows of messages, in this order; returns their facts, which are pending."""
        packets = [(message.id, message.packet) for message in messages]
        buffer = b"".join(record.pack(id_, PEER, 9060, 0, packet) for id_, packet in packets)
        batch = Batch()
        assert hop.encode(buffer, batch, self._options, len(packets)) == len(buffer)
        await self._store.commit(self._connection, batch, [])
        self._pending.add(batch.facts)
        return [fact for fact in batch.facts if isinstance(fact, Fact)]

    async def write(self) -> None:
        """Write what is pending."""
        await self.writer.write(self._connection, self._pending, [])
        self._pending = Pending()


class Ingests:
    """Opens ingest processes of one database."""

    def __init__(self, database: Database, headers: tuple[str, ...] = ("X-CID",)) -> None:
        self._database = database
        names = ", ".join(f'"{name}"' for name in headers)
        settings = load_settings(database, CORRELATION_HEADERS=f"[{names}]")
        self.selection = Selection(settings)
        self.opened: list[Ingesting] = []
        self._connections: list[AsyncConnection[TupleRow]] = []

    async def open(self, process: int = 0, node: int = 1) -> Ingesting:
        """One more; ``node`` tells capture nodes apart."""
        connection = await AsyncConnection.connect(self._database.dsn, autocommit=True)
        self._connections.append(connection)
        ingesting = Ingesting(connection, self.selection, process, node)
        await ingesting.prepare()
        self.opened.append(ingesting)
        return ingesting

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            await connection.close()


@pytest.fixture
async def ingests(database: Database) -> AsyncIterator[Ingests]:
    """Ingest processes of the test database."""
    opened = Ingests(database)
    yield opened
    await opened.close()


def copies(messages: list[Message]) -> list[Message]:
    """What another capture node has seen of the same messages, a little later."""
    return [message._replace(us=message.us + LATER_US, node=SECOND_NODE) for message in messages]


async def select(
    connection: AsyncConnection[TupleRow], table: str, where: str = "true", *values: Any
) -> list[Row]:
    """Rows of a table in the order of their text."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"SELECT * FROM {table} WHERE {where} ORDER BY {table}::text".encode(),  # noqa: S608
            values,
        )
        return await cursor.fetchall()


def comparable(row: Row) -> Row:
    """A row without where it is filed, and ``seen`` in an order of its own."""
    kept = {name: value for name, value in row.items() if name not in _FILING}
    if kept.get("seen"):
        kept["seen"] = sorted(_words(kept["seen"]))
    return kept


def repeats(row: Row) -> int:
    """How many messages of a call were there before, at the same capture node."""
    seen = _words(row["seen"])
    return len(seen) - len(set(seen))


def _words(seen: bytes) -> list[bytes]:
    return [seen[at : at + 4] for at in range(0, len(seen), 4)]
