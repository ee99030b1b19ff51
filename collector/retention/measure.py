# SPDX-License-Identifier: GPL-2.0-or-later
"""What the capture tables hold, partition by partition, and how full the disks below them are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.partitions import Partition, default_of, limit_lock_wait, parse_bound
from collector.retention import disk
from collector.retention.disk import FileSystem, Server
from collector.tables import PARTITIONED

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
END: Final = datetime.max.replace(tzinfo=UTC)
_RECENT: Final = timedelta(hours=1)
_ROW_BYTES: Final = 1000
"""Indexes included, of an ordinary message: for a partition that has no statistics."""
_KINDS: Final = {table.name: table.kind for table in PARTITIONED}

# Sizes include indexes and TOAST. The statistics know a table's rows before its first ANALYZE.
_PARTS: Final = """
    SELECT parent.relname, child.relname, pg_get_expr(child.relpartbound, child.oid),
           coalesce(pg_total_relation_size(child.oid), 0),
           coalesce(pg_relation_size(child.oid), 0) > 0,
           greatest(child.reltuples, pg_stat_get_live_tuples(child.oid), 0)::bigint,
           pg_tablespace_location(coalesce(nullif(child.reltablespace, 0), here.dattablespace))
      FROM pg_inherits
      JOIN pg_class AS child ON child.oid = inhrelid
      JOIN pg_class AS parent ON parent.oid = inhparent
      JOIN pg_database AS here ON here.datname = current_database()
     WHERE inhparent = ANY(%s::regclass[])"""

_SERVER: Final = """
    SELECT pg_backend_pid(), CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
                                  THEN current_setting('data_directory') END"""


class Part(NamedTuple):
    """One partition as measured."""

    table: str
    kind: str
    partition: Partition
    """The default partition ends at the beginning of what is written now, or, when it has newer
    rows, never: so it is treated as what it is, the oldest or one in use."""
    octets: int
    filled: bool
    """Whether it has, or had, rows since it was made or truncated."""
    messages: int
    """PostgreSQL's estimate of the rows."""
    device: int
    """The file system it lies on; 0 when unknown."""

    @property
    def is_default(self) -> bool:
        """Whether it is the table's default partition."""
        return self.partition.begin == BEGINNING


class Measured(NamedTuple):
    """All partitions at one time."""

    at: datetime
    parts: list[Part]
    disks: list[FileSystem]
    """File systems that hold partitions; empty when they cannot be watched."""
    unwatched: str
    """Why some or all file systems cannot be watched."""

    @property
    def octets(self) -> int:
        """Everything."""
        return sum(part.octets for part in self.parts)


async def measure(connection: AsyncConnection[TupleRow], disk_path: str = "") -> Measured:
    """Measure everything; ``disk_path`` stands for the file system of all partitions if given.

    Raises psycopg.errors.LockNotAvailable when one partition is locked for long.
    """
    at = datetime.now(UTC)
    tables = [table.name for table in PARTITIONED]
    async with connection.transaction():
        await limit_lock_wait(connection)
        await connection.execute("SET LOCAL timezone TO 'UTC'")
        rows = await (await connection.execute(_PARTS, (tables,))).fetchall()
        server = disk.find_server(*await _ask_server(connection))
    disks, unwatched = _disks({row[6] for row in rows}, server, disk_path)
    parts: list[Part] = []
    defaults: list[Part] = []
    for table, name, bound, octets, filled, messages, location in rows:
        span = parse_bound(bound)
        device = disks[location].device if location in disks else 0
        if span or name == default_of(table):
            partition = Partition(name, *(span or (BEGINNING, END)))
            guess = octets // _ROW_BYTES if filled else 0
            part = Part(
                *(table, _KINDS[table], partition, octets, filled, messages or guess, device)
            )
            (parts if span else defaults).append(part)
    for part in defaults:
        parts.append(await _bounded(connection, part, parts, at) if part.filled else part)
    found = {item.device: item for item in disks.values()}
    return Measured(at, parts, list(found.values()), unwatched)


def newest_filled(parts: Iterable[Part]) -> set[str]:
    """Names of the newest partition of each table that has rows."""
    newest: dict[str, Part] = {}
    for part in parts:
        if part.filled and not part.is_default:
            known = newest.setdefault(part.table, part)
            if part.partition.begin > known.partition.begin:
                newest[part.table] = part
    return {part.partition.name for part in newest.values()}


async def _ask_server(
    connection: AsyncConnection[TupleRow],
) -> tuple[int, str, str, str | None]:
    found = await (await connection.execute(_SERVER)).fetchone()
    backend, told = found or (0, None)
    return backend, connection.info.user, connection.info.dbname, told


def _disks(
    locations: set[str], server: Server, disk_path: str
) -> tuple[dict[str, FileSystem], str]:
    """File systems by tablespace location; an empty one is the data directory."""
    found: dict[str, FileSystem] = {}
    unwatched = ""
    for location in sorted(locations):
        try:
            if disk_path:
                found[location] = disk.look_at(disk_path)
            elif not server.directory:
                unwatched = server.why
            elif location:
                found[location] = disk.look_at(f"{server.root}{location}", location)
            else:
                found[location] = disk.look_at(server.directory, server.shown)
        except OSError as error:
            unwatched = f"{error.filename}: {error.strerror}"
    return found, unwatched


async def _bounded(
    connection: AsyncConnection[TupleRow], default: Part, parts: list[Part], at: datetime
) -> Part:
    """The default partition with an end, unless it has rows as new as what is written now.

    It has pages; whether there are rows in them is another question.
    """
    of_table = [part for part in parts if part.table == default.table]
    newest = newest_filled(of_table)
    begin = min(
        (
            part.partition.begin
            for part in of_table
            if part.partition.end > at or part.partition.name in newest
        ),
        default=at - _RECENT,
    )
    found = await connection.execute(
        sql.SQL(
            "SELECT EXISTS (SELECT 1 FROM {name}), EXISTS (SELECT 1 FROM {name} WHERE ts >= %s)"
        ).format(name=sql.Identifier(default.partition.name)),
        (begin,),
    )
    filled, has_newer = await found.fetchone() or (True, True)
    if has_newer:
        return default
    partition = default.partition._replace(end=min(begin, at))
    return default._replace(partition=partition, filled=filled)
