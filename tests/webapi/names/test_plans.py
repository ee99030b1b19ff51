# SPDX-License-Identifier: GPL-2.0-or-later
"""What names, saved searches and share links ask of the database is found by an index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from tests.fix_database import Database
from tests.plan import explain
from webapi.filters import CALL, MESSAGE, Filter, conditions
from webapi.names import alias, saved_search, share_link

FILL = (
    (
        "INSERT INTO web_user (username, role, source)"
        " SELECT 'user' || n, 'user', 'ldap' FROM generate_series(1, 2000) n"
    ),
    (
        "INSERT INTO alias (name, network) SELECT 'host ' || n, ('10.' || n / 200 || '.' || n % 200"
        " || '.0/24')::cidr FROM generate_series(1, 5000) n"
    ),
    (
        "INSERT INTO saved_search (user_id, name, kind, parameters, shared)"
        " SELECT n % 2000 + 1, 'search ' || n, 'calls', '{}', n % 500 = 0"
        " FROM generate_series(1, 10000) n"
    ),
    (
        "INSERT INTO share_link (token_sha256, user_id, call_ids, expires_at)"
        " SELECT sha256(n::text::bytea), n % 2000 + 1, '{x}', now() + '1 d'"
        " FROM generate_series(1, 10000) n"
    ),
    "ANALYZE web_user, alias, saved_search, share_link",
)


PAGE = {"user": 5, "after": 0, "limit": 100, "kind": None}


@pytest.fixture(scope="module")
def filled(shared_database: Database) -> Database:
    """Many of everything."""
    with psycopg.connect(shared_database.dsn, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement.encode())
    return shared_database


def _by_name(table: str, filters: Mapping[str, Filter]) -> tuple[sql.Composed, list[Any]]:
    ((condition, values),) = conditions(filters, {"alias": "host 7"})
    found = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.Identifier(table), condition)
    return found, values


@pytest.mark.parametrize(
    ("statement", "values", "indexes"),
    [
        (alias.BY_GUID, (UUID(int=1),), {"alias_guid_key"}),
        (alias.LIST, (17, 100), {"alias_pkey"}),
        (share_link.FIND, (bytes(32),), {"share_link_token_sha256_key"}),
        (share_link.LIST, PAGE, {"share_link_user_id"}),
        (share_link.LIST, PAGE | {"user": None}, {"share_link_pkey"}),
        (saved_search.ONE, {"user": 5, "id": 17}, {"saved_search_pkey"}),
        (*_by_name("sip_message", MESSAGE), {"alias_name", "alias_network"}),
        (*_by_name("call", CALL), {"alias_name", "alias_network"}),
    ],
)
async def test_every_statement_has_an_index(
    filled: Database, statement: sql.Composed, values: Any, indexes: set[str]
) -> None:
    """And none of these tables is read whole."""
    async with await AsyncConnection.connect(filled.dsn, autocommit=True) as connection:
        plan = await explain(connection, statement, values)
    assert indexes <= plan.indexes
    assert not {"alias", "share_link", "saved_search"} & {*plan.scans_whole}


async def test_ones_own_searches_and_the_shared_ones(filled: Database) -> None:
    """Of many."""
    async with await AsyncConnection.connect(filled.dsn, autocommit=True) as connection:
        plan = await explain(connection, saved_search.LIST, PAGE)
    assert "saved_search" not in plan.scans_whole
