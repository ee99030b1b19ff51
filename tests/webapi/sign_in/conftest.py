# SPDX-License-Identifier: GPL-2.0-or-later
"""One database for all tests of a module, without users at the beginning of each."""

from __future__ import annotations

import psycopg
import pytest

from tests.fix_database import Database


@pytest.fixture
def database(shared_database: Database) -> Database:
    """In the place of a new one for each test, which takes most of its time."""
    with psycopg.connect(shared_database.dsn) as connection:
        connection.execute("TRUNCATE web_user, audit_log CASCADE")
    return shared_database
