# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the numbered files of ``sql/`` once each, in order, each in its own transaction.

While a capture node stores, a migration that waits for a lock makes everybody behind it wait as
well. So it gives up after ``LOCK_WAIT_S``, lets the others pass and tries again; and a statement
that works for longer than ``WORK_S`` is taken back. Together that is the longest that ingest waits.
An upgrade that ends in the middle, however, goes on with the next file when it is run again.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from psycopg import AsyncConnection, errors, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from collector.errors import SchemaError

DIRECTORY: Final = Path(__file__).resolve().parent.parent / "sql"
_LOCK: Final = 0x6B656D69  # "kemi": one migration at a time on a server
LOCK_WAIT_S: Final = 2.0
"""So long ingest waits behind a migration that waits for a lock; the journal keeps what comes."""
ATTEMPTS: Final = 30
"""Per file, with ``PAUSE_S`` in between: somebody's query of half a minute does not end an upgrade.
"""
PAUSE_S: Final = 1.0
WORK_S: Final = 30.0
"""What is longer needs ``init-db --no-time-limit``, better while nothing is stored."""
_ALONE: Final = "-- Outside of a transaction."
"""Line in the header of a file with one statement that allows no transaction, as CREATE INDEX
CONCURRENTLY, and that can be run again after it was cut off (IF NOT EXISTS, after DROP … IF EXISTS
in a file of its own)."""

_READER_WRITES: Final = (
    "GRANT INSERT, UPDATE (ended_at, ended_by, ended) ON trace_rule TO {}",
    (
        "GRANT INSERT, DELETE, UPDATE (password_hash, role, email, full_name, enabled,"
        " must_change_password, password_changed_at) ON web_user TO {}"
    ),
    "GRANT INSERT, DELETE, UPDATE (last_used_at, idle_expires_at) ON web_session TO {}",
    "GRANT INSERT, DELETE, UPDATE (last_used_at) ON api_token TO {}",
    "GRANT INSERT ON audit_log TO {}",
    "GRANT INSERT, DELETE, UPDATE (department) ON homer_user TO {}",
    "GRANT INSERT, DELETE, UPDATE (partid, category, param, data) ON homer_setting TO {}",
    (
        "GRANT INSERT, DELETE, UPDATE (user_id, partid, category, param, data)"
        " ON homer_user_setting TO {}"
    ),
    "GRANT INSERT, DELETE, UPDATE (hepid, profile, document) ON homer_mapping TO {}",
    "GRANT INSERT, DELETE, UPDATE (expires_at, document) ON homer_agent TO {}",
    (
        "GRANT INSERT, DELETE, UPDATE (name, network, port, capture_node, type, capture_id,"
        " enabled, changed_at) ON alias TO {}"
    ),
    "GRANT UPDATE ON alias_version TO {}",
    "GRANT INSERT, DELETE, UPDATE (name, parameters, shared, changed_at) ON saved_search TO {}",
    "GRANT INSERT, DELETE, UPDATE (last_used_at, uses) ON share_link TO {}",
)
"""What the web API writes, and nothing else."""
_LEDGER: Final = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        number      integer PRIMARY KEY,
        name        text NOT NULL,
        sha256      text NOT NULL,
        applied_at  timestamptz NOT NULL DEFAULT now()
    )"""


class Migration(NamedTuple):
    """One file of ``sql/``."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Recorded, so that a file that changed after it was applied is noticed."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def stands_alone(self) -> bool:
        """Whether it must be run outside of a transaction."""
        return _ALONE in self.text.splitlines()


def migrations() -> list[Migration]:
    """All migrations of this version, in order."""
    return [
        Migration(int(path.name[:4]), path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(DIRECTORY.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]


async def migrate(
    connection: AsyncConnection[TupleRow], *, time_limit: bool = True
) -> list[Migration]:
    """Apply what is missing; returns what was applied. Safe to run again and from many hosts.

    Without ``time_limit`` a statement may work, and hold its locks, for as long as it takes.

    Raises SchemaError when the database is not UTF-8, is newer than this program, holds a
    migration that differs from this version's file, or took too long for one;
    psycopg.errors.LockNotAvailable when somebody keeps a table locked. What was applied until then
    stays so.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        message = f"the database has the encoding {encoding}; create it with ENCODING 'UTF8'"
        raise SchemaError(message)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await connection.execute(_LEDGER)
    work_s = WORK_S if time_limit else 0.0
    applied = [
        migration
        for migration in migrations()
        if await _apply_patiently(connection, migration, work_s)
    ]
    await check(connection)
    return applied


async def check(connection: AsyncConnection[TupleRow]) -> None:
    """Raise SchemaError unless the database has exactly the migrations of this version.

    Numbers may have gaps: every file is asked for by its own number, not by the newest.
    """
    found = await connection.execute("SELECT to_regclass('schema_migration') IS NOT NULL")
    row = await found.fetchone()
    have: set[int] = set()
    if row and row[0]:
        applied = await connection.execute("SELECT number FROM schema_migration")
        have = {number for (number,) in await applied.fetchall()}
    want = {migration.number for migration in migrations()}
    if have - want:
        message = (
            f"the database has schema migration {max(have - want)}, this version knows up to "
            f"{max(want)}: update this program"
        )
        raise SchemaError(message)
    if want - have:
        message = (
            f"the database lacks schema migration {min(want - have)} of {max(want)}: "
            "run `python -m collector init-db`"
        )
        raise SchemaError(message)


async def grant_reader(connection: AsyncConnection[TupleRow], reader_dsn: str) -> str | None:
    """Let the role of the web API's connection read everything, and write what it has to.

    Returns its name, or None when ``reader_dsn`` names no role of its own.
    """
    reader = conninfo_to_dict(reader_dsn).get("user") if reader_dsn else None
    if not isinstance(reader, str) or reader == connection.info.user:
        return None
    for statement in (
        "GRANT USAGE ON SCHEMA public TO {}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {}",
        *_READER_WRITES,
    ):
        await connection.execute(sql.SQL(statement).format(sql.Identifier(reader)))
    return reader


def written_by_reader() -> set[str]:
    """The tables that the web API's role may write to."""
    return {statement.partition(" ON ")[2].split()[0] for statement in _READER_WRITES}


async def _apply_patiently(
    connection: AsyncConnection[TupleRow], migration: Migration, work_s: float
) -> bool:
    """Apply a migration unless it is; returns whether it was not."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await _apply(connection, migration, work_s)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if attempt == ATTEMPTS:
                raise
        except errors.QueryCanceled as error:
            if not work_s:
                raise
            message = (
                f"migration {migration.name} took longer than {work_s:g} s and was taken back, so "
                "that nobody waits for it: stop ingest, which the journal bridges, and run "
                "`python -m collector init-db --no-time-limit`"
            )
            raise SchemaError(message) from error
        await asyncio.sleep(PAUSE_S)
    raise AssertionError


async def _apply(
    connection: AsyncConnection[TupleRow], migration: Migration, work_s: float
) -> bool:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if await _is_applied(connection, migration):
            return False
        if not migration.stands_alone:
            for name, seconds in (("lock_timeout", LOCK_WAIT_S), ("statement_timeout", work_s)):
                await _limit(connection, "LOCAL", name, seconds)
            # A file is our own text without parameters.
            await connection.execute(migration.text.encode())
            await _enter(connection, migration)
            return True
    # It lets others read and write while it works, however long.
    await _limit(connection, "SESSION", "lock_timeout", LOCK_WAIT_S)
    try:
        await connection.execute(migration.text.encode())
    finally:
        await connection.execute("RESET lock_timeout")
    await _enter(connection, migration)
    return True


async def _limit(
    connection: AsyncConnection[TupleRow], scope: str, name: str, seconds: float
) -> None:
    """Set a time limit of the server; 0 for none."""
    statement = sql.SQL("SET {} {} TO {}").format(
        sql.SQL(scope), sql.Identifier(name), sql.Literal(f"{seconds * 1000:.0f}ms")
    )
    await connection.execute(statement)


async def _enter(connection: AsyncConnection[TupleRow], migration: Migration) -> None:
    """Into the ledger; two that ran the same file outside of a transaction enter it once."""
    await connection.execute(
        "INSERT INTO schema_migration (number, name, sha256) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (migration.number, migration.name, migration.sha256),
    )


async def _is_applied(connection: AsyncConnection[TupleRow], migration: Migration) -> bool:
    found = await connection.execute(
        "SELECT sha256 FROM schema_migration WHERE number = %s", (migration.number,)
    )
    row = await found.fetchone()
    if row and row[0] != migration.sha256:
        message = f"migration {migration.name} in the database differs from this version's file"
        raise SchemaError(message)
    return row is not None
