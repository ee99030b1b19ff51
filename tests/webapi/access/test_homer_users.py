# SPDX-License-Identifier: GPL-2.0-or-later
"""Users from a configuration database of homer-app."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest

from tests.fix_access import verifies
from tests.fix_database import Database
from webapi.__main__ import main

# As AutoMigrate makes it.
_TABLE = """
    CREATE TABLE users (id serial PRIMARY KEY, username varchar(100) NOT NULL,
        partid int DEFAULT 10, email varchar(250), enabled boolean DEFAULT true,
        firstname varchar(50), lastname varchar(50), department varchar(50),
        usergroup varchar(250), hash varchar(128), guid varchar(50))"""
_ROWS = """
    INSERT INTO users (username, email, enabled, firstname, lastname, usergroup, hash) VALUES
        ('admin', 'root@localhost', true, 'Homer', 'Admin', 'admin', '$2a$10$x'),
        ('anna', 'anna@example.com', true, 'Anna', '', 'user', '$2a$10$y'),
        ('old', NULL, false, NULL, NULL, 'NOC Administrators', NULL),
        ('help', '', true, '', 'Desk', 'support', ''),
        ('Anna', '', true, '', '', 'user', ''),
        ('a b', '', true, '', '', 'user', '')"""


@pytest.fixture
def homer(empty_database: Database, database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The DSN of one; the settings name ``database``."""
    monkeypatch.setenv("KEMISCOPE_CONFIG", "/dev/null")
    monkeypatch.setenv("KEMISCOPE_DATABASE_READER_DSN", database.reader_dsn)
    with psycopg.connect(empty_database.dsn) as connection:
        connection.execute(_TABLE)
        connection.execute(_ROWS)
    return empty_database.dsn


def test_users_are_taken_over_without_their_passwords(
    homer: str, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With roles; those that cannot be are named; each has a new password, to be changed."""
    file = tmp_path / "passwords"
    assert main(["import-homer", homer, "--passwords", str(file)]) == 0
    out = capsys.readouterr().out
    assert out.count("taken over") == 6
    assert out.count("not taken over") == 2
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT username, role, email, full_name, enabled, must_change_password FROM web_user"
            " ORDER BY id"
        ).fetchall()
        rows = connection.execute("SELECT username, password_hash FROM web_user").fetchall()
        logged = connection.execute("SELECT subject FROM audit_log ORDER BY id").fetchall()
    hashes: dict[str, str] = dict(rows)
    assert found == [
        ("admin", "admin", "root@localhost", "Homer Admin", True, True),
        ("anna", "user", "anna@example.com", "Anna", True, True),
        ("old", "admin", "", "", False, True),
        ("help", "support", "", "Desk", True, True),
    ]
    assert [name for (name,) in logged] == ["admin", "anna", "old", "help"]
    written = dict(line.split(" ") for line in file.read_text().splitlines())
    assert written.keys() == hashes.keys()
    assert verifies(hashes["anna"], written["anna"])
    assert not any(password in out for password in written.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_run_changes_nobody(
    homer: str, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stay as they are; a file of passwords is not written over."""
    assert main(["import-homer", homer]) == 0
    before = _users(database)
    capsys.readouterr()
    assert main(["import-homer", homer]) == 0
    assert capsys.readouterr().out.count("not taken over") == 6
    file = tmp_path / "passwords"
    file.write_text("mine")
    assert main(["import-homer", homer, "--passwords", str(file)]) == 1
    assert file.read_text() == "mine"
    assert _users(database) == before


def test_a_database_that_is_not_homers(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Says what the server says."""
    monkeypatch.setenv("KEMISCOPE_CONFIG", "/dev/null")
    monkeypatch.setenv("KEMISCOPE_DATABASE_READER_DSN", database.reader_dsn)
    assert main(["import-homer", database.reader_dsn]) == 1
    assert '"users" does not exist' in capsys.readouterr().err


def _users(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.dsn) as connection:
        return connection.execute("SELECT * FROM web_user ORDER BY id").fetchall()
