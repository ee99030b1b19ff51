# SPDX-License-Identifier: GPL-2.0-or-later
"""``init-db --distribute``: the large tables spread over the servers of a Citus cluster."""

from __future__ import annotations

from typing import Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.columns import TABLES
from collector.errors import SchemaError
from collector.tables import CALL_TABLE, STREAM_TABLE

BY: Final = "call_id"
"""The column whose value says on which server a row is: what belongs to a call is on one of them,
and every unique key has it."""
DISTRIBUTED: Final = (
    *(table.name for table in TABLES),
    CALL_TABLE.name,
    STREAM_TABLE.name,
    "call_key",
)
"""All that grows with the traffic. ``call_link`` is followed from both of its ends, and a
``registration`` is looked up by its address of record: neither is found by its Call-ID, and they
stay where they are."""

_LOCK: Final = 0x63697475  # "citu": one at a time on a server
_INSTALLED: Final = """
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus'),
           EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citus')"""
_IS_DISTRIBUTED: Final = """
    SELECT distribution_column FROM citus_tables
     WHERE table_name = %s::regclass AND citus_table_type = 'distributed'"""
_DISTRIBUTE: Final = sql.SQL(
    "SELECT create_distributed_table({table}, {column}, colocate_with => {beside})"
)


async def distribute(connection: AsyncConnection[TupleRow]) -> list[str]:
    """Distribute what is not distributed yet; returns the names of these tables.

    Each table has a transaction of its own: what was interrupted goes on with the next one when it
    is run again. Rows that are there go with their table, and who writes to it waits meanwhile.

    Raises SchemaError when Citus is not there, or a table is distributed in another way.
    """
    await _check_installed(connection)
    made = []
    for table in DISTRIBUTED:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            found = await (await connection.execute(_IS_DISTRIBUTED, (table,))).fetchone()
            if found is None:
                # With a shard of the first one on the same server as each of its own.
                beside = "none" if table == DISTRIBUTED[0] else DISTRIBUTED[0]
                await connection.execute(
                    _DISTRIBUTE.format(
                        table=sql.Literal(table), column=sql.Literal(BY), beside=sql.Literal(beside)
                    )
                )
                made.append(table)
            elif found[0] != BY:
                message = f"{table} is distributed by {found[0]}; this program needs {BY}"
                raise SchemaError(message)
    return made


async def _check_installed(connection: AsyncConnection[TupleRow]) -> None:
    found = await (await connection.execute(_INSTALLED)).fetchone()
    is_here, is_available = found or (False, False)
    if is_here:
        return
    if is_available:
        message = (
            f"Citus is on this server, but not in the database {connection.info.dbname}: let a "
            "superuser run CREATE EXTENSION citus in it; no table was distributed"
        )
    else:
        message = (
            "Citus is not installed on this server: install it, add citus to "
            "shared_preload_libraries, restart PostgreSQL and let a superuser run CREATE EXTENSION "
            f"citus in the database {connection.info.dbname}; no table was distributed"
        )
    raise SchemaError(message)
