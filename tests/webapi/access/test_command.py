# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi user`` and ``token``, with the database that they change."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from collector.api_token import LENGTH, local_name
from tests.fix_access import verifies
from tests.fix_database import Database
from webapi.__main__ import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs one command; returns exit status, output and errors."""
    monkeypatch.setenv("KEMISCOPE_CONFIG", "/dev/null")
    monkeypatch.setenv("KEMISCOPE_DATABASE_READER_DSN", database.reader_dsn)

    def one(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        return status, *capsys.readouterr()

    return one


def _rows(database: Database, statement: bytes) -> list[Any]:
    with psycopg.connect(database.dsn) as connection:
        return connection.execute(statement).fetchall()


def test_the_first_user(run: Run, database: Database) -> None:
    """The password is printed, once; it is right; a second start makes nobody."""
    status, out, _ = run("user", "add", "admin", "--role", "admin", "--unless-any")
    assert status == 0
    found = re.fullmatch(r"user admin, password (\S{20})\n", out)
    assert found
    assert run("user", "add", "admin", "--role", "admin", "--unless-any") == (0, "", "")
    ((role, stored, must),) = _rows(
        database, b"SELECT role, password_hash, must_change_password FROM web_user"
    )
    assert (role, must) == ("admin", False)
    assert found[1] not in stored
    assert verifies(stored, found[1])
    assert run("user", "add", "ADMIN")[0] == 1


def test_users(run: Run, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed, disabled, enabled, with another password; all of it is in the audit log."""
    run("user", "add", "root", "--role", "admin")
    monkeypatch.setattr("sys.stdin", io.StringIO("a pass phrase\n"))
    added = run("user", "add", "anna", "--email", "a@example.com", "--password-stdin")
    assert added == (0, "", "")
    assert run("user", "disable", "Anna")[0] == 0
    assert re.search(
        r"^anna +user +no +internal +a@example.com", run("user", "list")[1], re.MULTILINE
    )
    assert run("user", "enable", "anna")[0] == 0
    status, out, _ = run("user", "reset-password", "anna")
    assert (status, out[:20]) == (0, "user anna, password ")
    ((stored,),) = _rows(database, b"SELECT password_hash FROM web_user WHERE username = 'anna'")
    assert verifies(stored, out.split()[-1])
    log = _rows(database, b"SELECT username, address, action, subject FROM audit_log ORDER BY id")
    assert log == [
        (local_name(), None, action, subject)
        for action, subject in (
            ("user_added", "root"),
            ("user_added", "anna"),
            ("user_changed", "anna"),
            ("user_changed", "anna"),
            ("password_changed", "anna"),
        )
    ]


def test_tokens(run: Run, database: Database) -> None:
    """Made for a user, within the user's rights; listed; revoked."""
    run("user", "add", "root", "--role", "admin")
    run("user", "add", "anna")
    network = ("--network", "192.0.2.0/24")
    status, out, _ = run("token", "add", "graf", "--user", "anna", "--scope", "read", *network)
    assert (status, len(out.strip())) == (0, LENGTH)
    line = run("token", "list")[1].splitlines()[1]
    assert line.split()[1:5] == ["anna", "graf", "read", "192.0.2.0/24"]
    assert run("token", "revoke", line.split()[0])[0] == 0
    assert _rows(database, b"SELECT * FROM api_token") == []
    status, _, error = run("token", "add", "x", "--user", "anna", "--scope", "admin")
    assert (status, "admin" in error) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "a b"),
        ("user", "disable", "nobody"),
        ("user", "reset-password", "nobody"),
        ("token", "add", "x", "--user", "nobody", "--scope", "read"),
        ("token", "revoke", "5"),
    ],
)
def test_what_cannot_be_done(run: Run, arguments: tuple[str, ...]) -> None:
    """1, and why."""
    status, out, error = run(*arguments)
    assert (status, out, bool(error)) == (1, "", True)


def test_the_last_administrator_stays(run: Run) -> None:
    """Here as well."""
    run("user", "add", "root", "--role", "admin")
    status, _, error = run("user", "disable", "root")
    assert (status, "role admin" in error) == (1, True)
