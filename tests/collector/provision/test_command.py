# SPDX-License-Identifier: GPL-2.0-or-later
"""``create-db`` and ``check-db`` against a real PostgreSQL, by an admin who is no superuser."""

from __future__ import annotations

import itertools
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from collector import settings
from collector.__main__ import main
from stack.postgres import Cluster

_numbers = itertools.count()


class Server(NamedTuple):
    """One that somebody else manages: what its customer gets."""

    dsn: str
    """Of a role with CREATEROLE and CREATEDB."""
    names: tuple[str, ...]
    """Arguments that name what is to be made, with names of this test's own."""
    config: Path
    superuser: str
    """For the test only."""


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[Server]:
    """Its roles and databases are gone afterwards."""
    number = next(_numbers)
    manager, writer, reader, database = (
        f"{name}_{number}" for name in ("manager", "made_writer", "made_reader", "made")
    )
    superuser = cluster.dsn("kemiscope_admin")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD 'm'").format(
                sql.Identifier(manager)
            )
        )
        dsn = make_conninfo(superuser, user=manager, password="m")
        names = ("--writer", writer, "--reader", reader, "--database", database)
        place = ("--host", "127.0.0.1", "--port", str(cluster.port))
        yield Server(dsn, (*names, *place), tmp_path / "kemiscope.toml", superuser)
        for statement, name in (
            ("DROP DATABASE IF EXISTS {} WITH (FORCE)", database),
            *(("DROP ROLE IF EXISTS {}", name) for name in (writer, reader, manager)),
        ):
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command; returns exit status, output and errors."""
    monkeypatch.setenv("KEMISCOPE_CONFIG", str(server.config))
    server.config.touch()

    def one(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        return status, *capsys.readouterr()

    return one


def _create(run: Run, server: Server, *more: str) -> tuple[int, str, str]:
    return run("create-db", "--admin", server.dsn, *server.names, *more)


def test_everything_is_made_without_a_superuser(run: Run, server: Server) -> None:
    """Roles, database, schema, rights; a second run changes nothing; check-db has no complaint."""
    status, out, error = _create(run, server, "--dry-run")
    assert (status, out.count("would be made"), error) == (1, 3, "")
    assert server.config.read_text() == ""
    status, out, error = _create(run, server)
    assert (status, error) == (0, "")
    assert stat.S_IMODE(server.config.stat().st_mode) in (0o600, 0o640)
    database = settings.load(server.config).database
    for dsn in (database.dsn, database.reader_dsn):
        assert str(conninfo_to_dict(dsn)["password"]) not in out
    status, out, _ = _create(run, server)
    assert (status, out.splitlines()[0]) == (0, "the schema is up to date")
    assert _create(run, server, "--dry-run")[:2] == (0, "nothing lacks\n")
    status, out, _ = run("check-db")
    assert (status, "warn" in out, "fail" in out) == (0, False, False)
    with psycopg.connect(server.dsn) as manager:
        memberships = "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole"
        assert manager.execute(memberships).fetchone() == (0,)


def test_the_roles_have_the_least_rights(run: Run, server: Server) -> None:
    """The reader writes nothing of what is captured, and others do not connect."""
    assert _create(run, server)[0] == 0
    database = settings.load(server.config).database
    with psycopg.connect(database.reader_dsn, autocommit=True) as reader:
        reader.execute("SELECT * FROM sip_message")
        reader.execute("SET default_transaction_read_only TO off")
        for statement in ("DELETE FROM call", "CREATE TABLE x ()", "CREATE TEMP TABLE x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement.encode())
    with psycopg.connect(server.superuser) as connection:
        found = connection.execute(
            "SELECT bool_or(rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)"
            " FROM pg_roles WHERE rolname LIKE 'made\\_%'"
        )
        assert found.fetchone() == (False,)
    dbname = conninfo_to_dict(database.dsn)["dbname"]
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(server.dsn, dbname=dbname)


def test_connections_of_the_settings_are_used(run: Run, server: Server) -> None:
    """Their names and passwords, whatever the options say; nothing is written."""
    place = make_conninfo(server.dsn, dbname=server.names[5], password="of the settings")
    dsns = [make_conninfo(place, user=server.names[number]) for number in (1, 3)]
    text = f"[database]\ndsn = {json.dumps(dsns[0])}\nreader_dsn = {json.dumps(dsns[1])}\n"
    server.config.write_text(text)
    assert run("create-db", "--admin", server.dsn, "--writer", "nobody")[0] == 0
    assert server.config.read_text() == text
    assert run("check-db")[0] == 0


def test_a_role_that_is_there_with_another_password(run: Run, server: Server) -> None:
    """It keeps it until one says otherwise."""
    with psycopg.connect(server.dsn, autocommit=True) as manager:
        manager.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(server.names[1]))
        )
    status, _, error = _create(run, server)
    assert (status, "--set-passwords" in error) == (1, True)
    status, out, _ = _create(run, server, "--set-passwords")
    assert (status, f"role {server.names[1]}: password set" in out) == (0, True)


def test_check_names_what_lacks(run: Run, server: Server) -> None:
    """With the command that makes it good, which does."""
    status, out, _ = run("check-db")
    assert (status, "database.dsn is empty" in out, "create-db" in out) == (1, True, True)
    assert _create(run, server)[0] == 0
    database = settings.load(server.config).database
    reader = sql.Identifier(server.names[3])
    with psycopg.connect(database.dsn, autocommit=True) as writer:
        writer.execute(sql.SQL("REVOKE SELECT ON call FROM {}").format(reader))
        writer.execute(sql.SQL("GRANT DELETE ON call TO {}").format(reader))
        status, out, _ = run("check-db", "--json")
        found = [tuple(one.values())[1:] for one in json.loads(out) if one["level"] != "ok"]
        assert status == 1
        assert [level for level, *_ in found] == ["fail", "warn"]
        assert "init-db" in found[0][2]
        assert "may write to call" in found[1][1]
        writer.execute(sql.SQL("REVOKE DELETE ON call FROM {}").format(reader))
        assert run("init-db")[0] == 0
        assert run("check-db")[0] == 0
        writer.execute("DELETE FROM schema_migration WHERE number = 1")
        assert "lacks schema migration 1" in run("check-db")[1]


def test_the_admin_may_not(run: Run, server: Server) -> None:
    """What the server says, and status 1."""
    with psycopg.connect(server.superuser, autocommit=True) as connection:
        name = sql.Identifier(str(conninfo_to_dict(server.dsn)["user"]))
        connection.execute(sql.SQL("ALTER ROLE {} NOCREATEROLE").format(name))
    status, out, error = _create(run, server)
    assert (status, "permission denied" in error) == (1, True)
    assert "written" in out


@pytest.mark.parametrize("asked", [True, False])
def test_the_admins_password(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch, *, asked: bool
) -> None:
    """It is asked for, or comes from the environment: no command line needs it."""
    parts = conninfo_to_dict(server.dsn)
    password = parts.pop("password")
    if asked:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("getpass.getpass", lambda _prompt: password)
    else:
        monkeypatch.setenv("PGPASSWORD", str(password))
    dsn = make_conninfo("", **parts)
    status, _, error = run("create-db", "--admin", dsn, *server.names, "--dry-run")
    assert (status, error) == (1, "")


@pytest.mark.parametrize(
    ("dsn", "reader_dsn", "message"),
    [
        ("user=a dbname=x", "user=a dbname=x", "another user"),
        ("user=a dbname=x", "user=b dbname=y", "different databases"),
        ("dbname=x", "user=b dbname=x", "each name a user"),
    ],
)
def test_settings_that_do_not_go_together(
    run: Run, server: Server, dsn: str, reader_dsn: str, message: str
) -> None:
    """Said before anything is done."""
    server.config.write_text(f'[database]\ndsn = "{dsn}"\nreader_dsn = "{reader_dsn}"\n')
    status, out, error = _create(run, server)
    assert (status, out, message in error) == (1, "", True)
