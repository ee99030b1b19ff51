# SPDX-License-Identifier: GPL-2.0-or-later
"""``create-db`` and ``check-db``: the database made ready, and looked at."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from collector import migrate, settings
from collector.doctor.finding import Level, report
from collector.errors import SchemaError
from collector.provision.check import check
from collector.provision.create import create
from collector.provision.distribute import BY, distribute
from collector.provision.peer import as_peer
from collector.provision.wanted import Names, Wanted, admin_dsn, complete
from collector.settings import Settings, write
from collector.settings.show import toml_value

_ADMIN: Final = "postgres"
_TIMEOUT_S: Final = 10


def add_create_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run_create`` looks at."""
    parser.add_argument(
        "--admin",
        default="",
        metavar="DSN",
        help="who makes roles and databases, like 'user=admin host=db.example.com'; default: the "
        "user PGUSER or postgres on the server of database.dsn. The password comes from "
        "PGPASSWORD or ~/.pgpass, or is asked for",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what lacks; 1 if it does")
    parser.add_argument(
        "--set-passwords", action="store_true", help="of roles that are there, to the settings'"
    )
    made = parser.add_argument_group(
        "when the settings have no database.dsn or reader_dsn, which are then written into them"
    )
    for name, default in Names._field_defaults.items():
        text = f"default: {default}" if default else ""
        made.add_argument(f"--{name}", default=default, metavar="NAME", help=text)


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run_check`` looks at."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def add_init_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``init`` is told."""
    parser.add_argument(
        "--no-time-limit",
        action="store_true",
        help=f"let a migration work for more than {migrate.WORK_S:g} s; ingest may wait for it",
    )
    parser.add_argument(
        "--distribute",
        action="store_true",
        help="spread the large tables over the servers of a Citus cluster, if it is one",
    )


def run_create(options: argparse.Namespace) -> int:
    """Make what lacks; returns 0, or 1 when a dry run finds something. Raises psycopg.Error."""
    path = settings.find(options.config)
    loaded = settings.load(path)
    names = Names(**{name: getattr(options, name) for name in Names._fields})
    wanted = complete(loaded, names)
    steps = 0
    with _connect_admin(
        admin_dsn(wanted, options.admin, os.environ.get("PGUSER", _ADMIN))
    ) as admin:
        if not options.dry_run:
            # Before the roles are made: nobody else knows their passwords.
            _save(loaded, wanted, path or settings.CONFIG_PATHS[0])
        for step in create(admin, wanted, dry=options.dry_run, passwords=options.set_passwords):
            steps += 1
            sys.stdout.write(f"{step}\n")
    if options.dry_run:
        return _tell_what_lacks(_with(loaded, wanted), steps)
    try:
        asyncio.run(init(wanted))
    except psycopg.OperationalError as error:
        message = f"{error}\nis {wanted.writer.name} there with another password? --set-passwords"
        raise SchemaError(message) from error
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Print what lacks; returns 1 if anything does, else 0."""
    findings = asyncio.run(check(settings.load(options.config)))
    if options.json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        sys.stdout.write(report(findings))
    return int(any(finding.level is Level.FAIL for finding in findings))


async def init(wanted: Wanted, *, distributed: bool = False, time_limit: bool = True) -> None:
    """Bring the schema up to date, let the reader read, and say so.

    With ``distributed`` the large tables are distributed; raises SchemaError where they cannot be.
    ``time_limit`` as for ``migrate.migrate``.
    """
    async with await psycopg.AsyncConnection.connect(wanted.dsn, autocommit=True) as connection:
        applied = await migrate.migrate(connection, time_limit=time_limit)
        for migration in applied:
            sys.stdout.write(f"applied {migration.name}\n")
        if not applied:
            sys.stdout.write("the schema is up to date\n")
        reader = await migrate.grant_reader(connection, wanted.reader_dsn)
        if reader:
            sys.stdout.write(f"role {reader} may read\n")
        if distributed:
            names = await distribute(connection)
            listed = ", ".join(names) if names else "all were distributed before"
            sys.stdout.write(f"distributed by {BY}: {listed}\n")


def _connect_admin(dsn: str) -> Connection[TupleRow]:
    try:
        with as_peer(dsn):
            return psycopg.connect(dsn, autocommit=True, connect_timeout=_TIMEOUT_S)
    except psycopg.OperationalError as error:
        if not (error.pgconn and error.pgconn.needs_password and sys.stdin.isatty()):
            raise
    password = getpass.getpass("password of the admin: ")
    return psycopg.connect(dsn, autocommit=True, connect_timeout=_TIMEOUT_S, password=password)


def _save(loaded: Settings, wanted: Wanted, path: Path) -> None:
    """Write those connections that were made up into the settings file."""
    lines = [
        f"{name} = {toml_value(value)}"
        for name, value in wanted._asdict().items()
        if not getattr(loaded.database, name)
    ]
    if lines:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        write.save(path, write.add(text, {"database": lines}))
        written = " and ".join(line.partition(" ")[0] for line in lines)
        sys.stdout.write(f"{path}: {written} written\n")


def _tell_what_lacks(loaded: Settings, steps: int) -> int:
    if steps:
        sys.stdout.write("then the schema and the reader's rights would follow\n")
        return 1
    findings = asyncio.run(check(loaded))
    lacking = [finding for finding in findings if finding.level is Level.FAIL]
    sys.stdout.write(report(lacking) if lacking else "nothing lacks\n")
    return int(bool(lacking))


def _with(loaded: Settings, wanted: Wanted) -> Settings:
    database = msgspec.structs.replace(loaded.database, **wanted._asdict())
    return msgspec.structs.replace(loaded, database=database)
