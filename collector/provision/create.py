# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the roles and the database, what is missing of them. Needs CREATEROLE and CREATEDB."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from collector.provision.wanted import Role, Wanted


def create(
    admin: Connection[TupleRow], wanted: Wanted, *, dry: bool = False, passwords: bool = False
) -> Iterator[str]:
    """Make what is missing; says each step, with ``dry`` only that. Safe to run again.

    ``admin`` is in autocommit mode. A role that is there keeps its password unless ``passwords``.
    Raises psycopg.Error when the admin may not.
    """
    verb = "would be made" if dry else "made"
    for role in (wanted.writer, wanted.reader):
        if not _is_there(admin, "pg_roles", "rolname", role.name):
            yield f"role {role.name}: {verb}"
            if not dry:
                _role(admin, "CREATE ROLE {} LOGIN", role)
        elif passwords and role.password:
            yield f"role {role.name}: password {'would be set' if dry else 'set'}"
            if not dry:
                _role(admin, "ALTER ROLE {} LOGIN", role)
    yield from _read_only(admin, wanted, dry=dry)
    if not _is_there(admin, "pg_database", "datname", wanted.database):
        yield f"database {wanted.database}: {verb}"
        if not dry:
            _database(admin, wanted)


def _read_only(admin: Connection[TupleRow], wanted: Wanted, *, dry: bool) -> Iterator[str]:
    """The web API asks for each transaction that writes; whatever else uses the role does not."""
    name = wanted.reader.name
    found = admin.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = %s"
        " AND 'default_transaction_read_only=on' = ANY (rolconfig)",
        (name,),
    )
    if not found.fetchone():
        yield f"role {name}: {'would read' if dry else 'reads'} unless it asks to write"
        if not dry:
            admin.execute(
                sql.SQL("ALTER ROLE {} SET default_transaction_read_only TO on").format(
                    sql.Identifier(name)
                )
            )


def _database(admin: Connection[TupleRow], wanted: Wanted) -> None:
    names = {
        "database": sql.Identifier(wanted.database),
        "writer": sql.Identifier(wanted.writer.name),
        "reader": sql.Identifier(wanted.reader.name),
    }
    # Only a member of a role may give it something; a superuser is one of all.
    found = admin.execute(
        "SELECT pg_has_role(current_user, %s, 'MEMBER')", (wanted.writer.name,)
    ).fetchone()
    is_member = bool(found and found[0])
    if not is_member:
        admin.execute(sql.SQL("GRANT {writer} TO CURRENT_USER").format(**names))
    try:
        for statement in (
            "CREATE DATABASE {database} OWNER {writer} ENCODING 'UTF8' TEMPLATE template0",
            "REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {database} TO {reader}",
        ):
            admin.execute(sql.SQL(statement).format(**names))
    finally:
        if not is_member:
            admin.execute(sql.SQL("REVOKE {writer} FROM CURRENT_USER").format(**names))


def _role(admin: Connection[TupleRow], statement: str, role: Role) -> None:
    names: list[sql.Composable] = [sql.Identifier(role.name)]
    if role.password:
        # As a verifier, so that no log of the server has the password.
        verifier = admin.pgconn.encrypt_password(role.password.encode(), role.name.encode())
        statement += " PASSWORD {}"
        names.append(sql.Literal(verifier.decode()))
    admin.execute(sql.SQL(statement).format(*names))


def _is_there(admin: Connection[TupleRow], catalog: str, column: str, name: str) -> bool:
    statement = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier(catalog), sql.Identifier(column)
    )
    return admin.execute(statement, (name,)).fetchone() is not None
