# SPDX-License-Identifier: GPL-2.0-or-later
"""What is loaded: something that takes HEP over UDP and stores it in a PostgreSQL of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench import measure
from stack.postgres import Cluster

TRACK_COMMITS: Final = "track_commit_timestamp = on\n"
"""Line for postgresql.conf without which there is no ``Target.latency``."""

DATABASE: Final = "PostgreSQL"
"""The group of its processes."""


class Latency(NamedTuple):
    """Seconds from sending, by the time in the message, to the commit: now a search finds it."""

    p50: float
    p99: float
    max: float


class Disk(NamedTuple):
    """Bytes of the tables that hold messages, and of their indexes."""

    tables: int
    indexes: int


class Target(ABC):
    """One system, started for a measurement and stopped after it."""

    name: str
    cluster: Cluster
    port: int
    """Port on 127.0.0.1 to which the load goes."""
    protocol: str = "udp"
    """How it goes there, as the sender names it."""
    connections: int = 1
    tables: tuple[str, ...]
    """The tables that hold messages; of partitioned ones, the parents."""
    messages: LiteralString
    """Query for all messages: xmin, number (the packet's, unique), sent_at (timestamptz)."""

    _connection: psycopg.Connection[TupleRow] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start everything and wait until it takes packets."""

    @abstractmethod
    def stop(self) -> None:
        """Stop everything."""

    @abstractmethod
    def groups(self) -> dict[str, list[int]]:
        """Process ids by group, PostgreSQL's excluded."""

    @abstractmethod
    def settle(self, sent: int, timeout_s: float) -> float:
        """Wait until nothing more will be stored; returns the time of the last commit.

        ``sent`` counts since the start of the target; the time is in seconds since 1970.
        """

    @abstractmethod
    def causes(self) -> dict[str, int]:
        """What became of the packets that were not stored, by cause, as the target itself says."""

    @abstractmethod
    def unaccounted(self) -> int | None:
        """Packets whose fate the target does not know; None if it keeps no balance."""

    def settings(self) -> str:
        """What matters for the figures and may be set: read from what is running."""
        names = (
            *("synchronous_commit", "fsync", "full_page_writes", "wal_compression"),
            *("shared_buffers", "max_wal_size", "checkpoint_timeout"),
        )
        found = self.connection.execute(
            "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", (list(names),)
        )
        shown = ", ".join(f"{name} {value}" for name, value in found.fetchall())
        granted = measure.socket_buffer(self.udp_port)
        return f"{self.name}: socket buffer {granted:,} bytes (as the kernel counts); {shown}"

    def usage(self) -> dict[str, measure.Usage]:
        """Processor time and memory by group."""
        groups = self.groups() | {DATABASE: measure.tree(self.cluster.pid)}
        return {name: measure.usage(pids) for name, pids in groups.items()}

    def kernel_drops(self) -> int:
        """Packets that the kernel dropped at the socket since it was opened."""
        return measure.udp_socket(self.udp_port).drops

    @property
    def udp_port(self) -> int:
        """Of the UDP socket, which is there whatever carries the load."""
        return self.port

    @property
    def connection(self) -> psycopg.Connection[TupleRow]:
        """Opened once: a new connection for every question would cost the server much more."""
        if self._connection is None:
            self._connection = psycopg.connect(self.cluster.dsn(), autocommit=True)
        return self._connection

    def disconnect(self) -> None:
        """Close the connection; call it before the server stops."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stored(self) -> tuple[int, int]:
        """Rows, and different packet numbers among them."""
        rows, numbers = self._ask("SELECT count(*), count(DISTINCT number) FROM ({}) AS message")
        return rows, numbers

    def latency(self) -> Latency:
        """Over all messages; needs ``TRACK_COMMITS``."""
        (values,) = self._ask(
            "SELECT percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY"
            " extract(epoch FROM pg_xact_commit_timestamp(xmin) - sent_at)) FROM ({}) AS message"
        )
        return Latency(*map(float, values))

    def disk(self) -> Disk:
        """Size of the message tables."""
        found = self.connection.execute(
            """
            SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class
             WHERE oid = ANY(%(tables)s::regclass[])
                OR oid IN (SELECT inhrelid FROM pg_inherits
                            WHERE inhparent = ANY(%(tables)s::regclass[]))
            """,
            {"tables": list(self.tables)},
        ).fetchone()
        return Disk(*map(int, found or (0, 0)))

    def wal_bytes(self) -> int:
        """Write-ahead log written since the cluster was made."""
        found = self.connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
        return int(found[0]) if found else 0

    def empty(self) -> None:
        """Remove all messages."""
        self.connection.execute(
            sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, self.tables)))
        )

    def _ask(self, query: LiteralString) -> TupleRow:
        return (
            self.connection.execute(sql.SQL(query).format(sql.SQL(self.messages))).fetchone() or ()
        )
