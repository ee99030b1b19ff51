# SPDX-License-Identifier: GPL-2.0-or-later
"""What lacks in the database of the settings, and what is more than it should be."""

from __future__ import annotations

from typing import Any, Final

from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow

from collector import migrate
from collector.doctor.finding import Finding, Level
from collector.errors import SchemaError
from collector.settings import Settings

MIN_VERSION: Final = 15
_INIT: Final = "run `python -m collector init-db`"
_CREATE: Final = "run `python -m collector create-db`"
_MORE: Final = "revoke it: these two need nothing that is not granted by init-db"

_RIGHTS: Final = """
    SELECT oid, 0, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT attrelid, attnum, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL
    UNION ALL
    SELECT oid, 0, nspacl::text FROM pg_namespace WHERE nspname = 'public'
    UNION ALL
    SELECT oid, 0, defaclacl::text FROM pg_default_acl
    ORDER BY 1, 2"""
_WRITABLE: Final = """
    SELECT relname FROM pg_class
     WHERE relkind IN ('r', 'p', 'v') AND relnamespace = 'public'::regnamespace
       AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"""
_ATTRIBUTES: Final = """
    SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
      FROM pg_roles WHERE rolname = current_user"""
_ATTRIBUTE_NAMES: Final = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")


async def check(settings: Settings) -> list[Finding]:
    """Findings about both connections; ``FAIL`` for what lacks, ``WARN`` for what is too much."""
    database = settings.database
    if not database.dsn:
        return [_fail("writer", "database.dsn is empty", _CREATE)]
    findings: list[Finding] = []
    try:
        async with await _connect(settings, database.dsn) as writer:
            name = writer.info.user
            findings += await _writer(writer)
            findings += await _schema(writer, database.reader_dsn)
    except Error as error:
        return [*findings, _fail("writer", str(error).strip(), _CREATE)]
    if not database.reader_dsn:
        return [*findings, _fail("reader", "database.reader_dsn is empty", _CREATE)]
    try:
        async with await _connect(settings, database.reader_dsn) as reader:
            findings += await _reader(reader, name)
    except Error as error:
        findings.append(_fail("reader", str(error).strip(), _CREATE))
    return findings


async def _connect(settings: Settings, dsn: str) -> AsyncConnection[TupleRow]:
    return await AsyncConnection.connect(
        dsn, autocommit=True, connect_timeout=int(settings.database.connect_timeout)
    )


async def _writer(writer: AsyncConnection[TupleRow]) -> list[Finding]:
    info = writer.info
    found = [Finding("writer", Level.OK, f"{info.user} connects to {info.dbname}")]
    found += await _attributes(writer, "writer")
    version = info.server_version
    if version // 10_000 < MIN_VERSION:
        text = f"PostgreSQL {version // 10_000} is older than {MIN_VERSION}"
        found.append(_fail("database", text, "upgrade it"))
    if (encoding := info.parameter_status("server_encoding")) != "UTF8":
        text = f"the encoding is {encoding}"
        found.append(_fail("database", text, "make another database, with ENCODING 'UTF8'"))
    if not await _one(writer, "SELECT has_schema_privilege('public', 'CREATE')"):
        text = f"{info.user} may not create tables in the schema public"
        found.append(_fail("database", text, f"ALTER DATABASE {info.dbname} OWNER TO {info.user}"))
    return found


async def _schema(writer: AsyncConnection[TupleRow], reader_dsn: str) -> list[Finding]:
    try:
        await migrate.check(writer)
    except SchemaError as error:
        return [_fail("schema", str(error), "")]
    found = [Finding("schema", Level.OK, f"has all {len(migrate.migrations())} migrations")]
    # What init-db would grant is tried and taken back: so nothing here repeats it.
    before = await _all(writer, _RIGHTS)
    try:
        async with writer.transaction(force_rollback=True):
            await migrate.grant_reader(writer, reader_dsn)
            after = await _all(writer, _RIGHTS)
    except Error as error:
        return [*found, _fail("reader", str(error).strip(), _CREATE)]
    if before != after:
        found.append(_fail("reader", "lacks rights that this version needs", _INIT))
    return found


async def _reader(reader: AsyncConnection[TupleRow], writer: str) -> list[Finding]:
    name = reader.info.user
    if name == writer:
        text = f"the web API connects as {name}, which owns the tables"
        return [Finding("reader", Level.WARN, text, _CREATE)]
    found = [Finding("reader", Level.OK, f"{name} connects to {reader.info.dbname}")]
    found += await _attributes(reader, "reader")
    writable = {name for (name,) in await _all(reader, _WRITABLE)}
    if more := sorted(writable - migrate.written_by_reader()):
        text = f"{name} may write to {', '.join(more)}"
        found.append(Finding("reader", Level.WARN, text, _MORE))
    return found


async def _attributes(connection: AsyncConnection[TupleRow], check: str) -> list[Finding]:
    ((*has,),) = await _all(connection, _ATTRIBUTES)
    names = [name for name, given in zip(_ATTRIBUTE_NAMES, has, strict=True) if given]
    if not names:
        return []
    text = f"{connection.info.user} has {', '.join(names)}"
    return [Finding(check, Level.WARN, text, _MORE)]


async def _all(connection: AsyncConnection[TupleRow], statement: str) -> list[Any]:
    return await (await connection.execute(statement.encode())).fetchall()


async def _one(connection: AsyncConnection[TupleRow], statement: str) -> Any:
    return (await _all(connection, statement))[0][0]


def _fail(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Level.FAIL, text, advice)
