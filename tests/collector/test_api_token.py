# SPDX-License-Identifier: GPL-2.0-or-later
"""API tokens, and the one that a command of this host makes for itself."""

from __future__ import annotations

import logging

import psycopg
import pytest

from collector import api_token
from collector.settings import Settings
from stack.ports import free_port
from tests.fix_api import load_settings
from tests.fix_database import Database


def test_tokens_are_long_and_differ() -> None:
    """256 bits."""
    made = {api_token.new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(token) for token in made} == {api_token.LENGTH}


def _tokens(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.dsn) as connection:
        return connection.execute(
            "SELECT name, user_id, scopes, token_sha256, expires_at - created_at < '11 min'"
            " FROM api_token"
        ).fetchall()


def test_a_local_token_is_there_for_the_block(database: Database) -> None:
    """With the rights that were asked for, for minutes at most, and what is left of others goes."""
    settings = load_settings(database)
    with psycopg.connect(database.dsn) as connection:
        connection.execute(
            "INSERT INTO api_token (token_sha256, name, scopes, created_at, expires_at)"
            " VALUES (sha256('x'), 'local:x', '{read}', '2020-01-01', '2020-01-02')"
        )
    with api_token.local_token(settings, ("read",)) as headers:
        token = headers["Authorization"].removeprefix("Bearer ")
        expected = (api_token.local_name(), None, ["read"], api_token.digest(token), True)
        assert _tokens(database) == [expected]
    assert _tokens(database) == []


def test_it_ends_when_the_command_fails(database: Database) -> None:
    """Whatever happens."""
    with (
        pytest.raises(ZeroDivisionError),
        api_token.local_token(load_settings(database)),
    ):
        raise ZeroDivisionError
    assert _tokens(database) == []


def test_without_a_database_there_is_none(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says why, without the password."""
    with api_token.local_token(Settings()) as headers:
        assert headers == {}
    dsn = f"host=127.0.0.1 port={free_port()} user=x password=hunter2"
    away = load_settings(Database(dsn, dsn), DATABASE_CONNECT_TIMEOUT="1")
    with caplog.at_level(logging.WARNING), api_token.local_token(away) as headers:
        assert headers == {}
    assert "no token for the web API" in caplog.text
    assert "hunter2" not in caplog.text
    assert _tokens(database) == []
