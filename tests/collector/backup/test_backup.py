# SPDX-License-Identifier: GPL-2.0-or-later
"""A backup from one database into another one, both real."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

from collector import __main__ as command
from collector import migrate
from collector.backup.tables import NOT_KEPT, TABLES
from tests.fix_database import Database

pytestmark = pytest.mark.one_database

ROWS: Final = r"""
    INSERT INTO web_user (username, password_hash, role)
        VALUES ('anna', '$argon2id$x', 'admin'), ('bénédicte', '$argon2id$y', 'user');
    INSERT INTO web_session
            (token_sha256, user_id, idle_expires_at, expires_at, address, user_agent)
        VALUES (sha256('s'), 1, now() + '1 h', now() + '1 h', '::1', '');
    INSERT INTO api_token (token_sha256, name, user_id, scopes, networks, expires_at)
        VALUES (sha256('t'), 'script', 1, '{read,export}', '{192.0.2.0/24,2001:db8::/32}',
                now() + '1 h');
    INSERT INTO alias (name, network, port)
        VALUES ('edge', '192.0.2.1', 5060), ('trunk', '2001:db8::/64', 0);
    INSERT INTO saved_search (user_id, name, kind, parameters, shared)
        VALUES (2, 'mine "quoted" \ ', 'calls', '{"n": 1e400, "x": [null, "é"]}', true);
    INSERT INTO share_link (token_sha256, user_id, call_ids, message_ids, expires_at)
        VALUES (sha256('l'), 1, '{a@x,"b,c"}', '{9223372036854775807}', now() + '1 h');
    INSERT INTO trace_rule
            (kind, value, action, percent, calls, methods, expires_at, requested_by, reason)
        VALUES ('all', '*', 'include', 1.25, 1, '{INVITE}', now() + '1 h', 'anna', 'a test');
    INSERT INTO homer_user VALUES (1, 'noc');
    INSERT INTO homer_user_setting (user_id, partid, category, param, data)
        VALUES (1, 10, 'dashboard', 'home', '{}');
    DELETE FROM homer_setting;
    INSERT INTO homer_setting (partid, category, param, data) VALUES (1, 'c', 'p', '[1]');
    """


@pytest.fixture
def config(tmp_path: Path, database: Database) -> Path:
    """The settings file of ``database``."""
    path = tmp_path / "kemiscope.toml"
    path.write_text(f'# mine\n[database]\ndsn = "{database.dsn}"\n[web]\nlisten = "127.0.0.1:1"\n')
    return path


@pytest.fixture
def backup(tmp_path: Path, database: Database, config: Path) -> Path:
    """A backup of ``database`` with rows in every table."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(ROWS.encode())
    path = tmp_path / "backup.jsonl"
    assert command.main(["--config", str(config), "backup", str(path)]) == 0
    return path


def _rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.dsn) as connection:
        statement = sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(table))
        return connection.execute(statement).fetchall()


def _restore(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> int:
    monkeypatch.setenv("KEMISCOPE_DATABASE_DSN", database.dsn)
    return command.main(["restore", str(path), *arguments])


def test_what_the_web_api_writes_is_kept_or_is_not_for_a_reason() -> None:
    """A new table of users' things has to be in one of the lists."""
    assert {*TABLES} | NOT_KEPT == migrate.written_by_reader() | {"web_secret"}
    assert not {*TABLES} & NOT_KEPT


def test_all_of_it_comes_back_into_a_fresh_database(
    database: Database, other_database: Database, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row of every table as it was; new ones get new numbers; the audit log tells."""
    assert _restore(other_database, backup, monkeypatch) == 0
    for table in TABLES:
        rows = _rows(database, table)
        assert _rows(other_database, table) == rows, table
        assert rows or table in ("homer_mapping", "homer_agent"), table
    assert _rows(other_database, "web_session") == []
    with psycopg.connect(other_database.dsn, autocommit=True) as connection:
        found = connection.execute(
            "INSERT INTO alias (name, network) VALUES ('new', '198.51.100.1') RETURNING id"
        )
        assert found.fetchone() == (3,)
        told = connection.execute("SELECT username, action, subject FROM audit_log").fetchall()
    ((who, action, subject),) = told
    assert who.startswith("local:")
    assert (action, subject) == ("restored", "backup.jsonl")


def test_what_users_have_made_is_not_replaced_unawares(
    database: Database,
    other_database: Database,
    backup: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only when it is said so, and then all of it."""
    with psycopg.connect(other_database.dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO web_user (username, password_hash, role) VALUES ('zoe', 'z', 'admin')"
        )
    assert _restore(other_database, backup, monkeypatch) == 1
    assert "--replace" in capsys.readouterr().err
    assert [row[1] for row in _rows(other_database, "web_user")] == ["zoe"]
    for _ in range(2):
        assert _restore(other_database, backup, monkeypatch, "--replace") == 0
    assert _rows(other_database, "web_user") == _rows(database, "web_user")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda text: text[: len(text) // 2], "line"),
        (lambda text: text[: text.rindex(b'{"type":"tail"')], "is not whole"),
        (lambda text: text.replace(b'"schema":', b'"schema":9'), "update this program"),
        (lambda text: text.replace(b'"form":1', b'"form":2'), "has form 2"),
        (lambda text: text.replace(b'"full_name"', b'"nobody_knows"'), "has no such row"),
        (lambda text: text.replace(b'"table":"alias"', b'"table":"pg_authid"'), "has no such row"),
        (lambda text: text.replace(b'"role":"admin"', b'"role":"root"'), "web_user_role_check"),
        (lambda text: text + text, "not where it belongs"),
    ],
)
def test_a_file_that_is_not_whole_changes_nothing(
    other_database: Database,
    backup: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    harm: Any,
    message: str,
) -> None:
    """Nor one of a newer version, or one that somebody has changed."""
    before = {table: _rows(other_database, table) for table in TABLES}
    backup.write_bytes(harm(backup.read_bytes()))
    assert _restore(other_database, backup, monkeypatch) == 1
    assert message in capsys.readouterr().err
    assert {table: _rows(other_database, table) for table in TABLES} == before


def test_a_row_of_an_older_version_gets_the_defaults(
    other_database: Database, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the columns that came later."""
    text = backup.read_bytes()
    assert b'"email":"",' in text
    backup.write_bytes(text.replace(b'"email":"",', b"").replace(b'"shared":true,', b""))
    assert _restore(other_database, backup, monkeypatch) == 0
    with psycopg.connect(other_database.dsn) as connection:
        found = connection.execute("SELECT email FROM web_user UNION SELECT '' ").fetchall()
    assert found == [("",)]


def test_the_file_is_for_its_owner_and_never_written_over(
    config: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds hashes and secrets."""
    assert backup.stat().st_mode & 0o777 == 0o600
    text = backup.read_bytes()
    assert command.main(["--config", str(config), "backup", str(backup)]) == 1
    assert "exists" in capsys.readouterr().err
    assert backup.read_bytes() == text


def test_the_settings_come_back_too(
    config: Path,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Byte for byte, into a new file, with which the database is found."""
    monkeypatch.delenv("KEMISCOPE_DATABASE_DSN", raising=False)
    path = tmp_path / "new.toml"
    only = ["restore", str(backup), "--settings", str(path), "--settings-only"]
    assert command.main(only) == 0
    assert path.read_text() == config.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert command.main(only) == 1
    assert "is there already" in capsys.readouterr().err
    path.unlink()
    assert command.main(["restore", str(backup), "--settings", str(path), "--replace"]) == 0
    assert "web_user: 2 rows" in capsys.readouterr().out


def test_a_backup_that_fails_leaves_no_file(
    config: Path, tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of one would look like one."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE homer_agent RENAME TO away")
        path = tmp_path / "backup.jsonl"
        try:
            assert command.main(["--config", str(config), "backup", str(path)]) == 1
        finally:
            connection.execute("ALTER TABLE away RENAME TO homer_agent")
    assert "homer_agent" in capsys.readouterr().err
    assert not path.exists()
