# SPDX-License-Identifier: GPL-2.0-or-later
"""``init-db --distribute``: without Citus, and with a stand-in for its functions.

There is no Citus among the packages that tests are run with. The stand-in knows of the real one
what it documents: names and arguments of its functions, and what it refuses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from collector.__main__ import main
from collector.provision import distribute
from collector.provision.distribute import BY, DISTRIBUTED
from collector.settings.show import toml_value
from stack.postgres import Cluster
from tests.fix_database import Database

_STAND_IN: Final = """
CREATE TABLE citus_stand_in (
    table_name regclass PRIMARY KEY, distribution_column text, beside text, number serial);
CREATE VIEW citus_tables AS
    SELECT table_name, 'distributed' AS citus_table_type, distribution_column FROM citus_stand_in;
CREATE FUNCTION create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_index
         WHERE indrelid = table_name AND indisunique AND NOT EXISTS (
            SELECT FROM pg_attribute
             WHERE attrelid = table_name AND attname = distribution_column
               AND attnum = ANY (indkey)))
    THEN
        RAISE 'creating unique indexes on non-partition columns is currently unsupported: %',
            table_name;
    END IF;
    IF EXISTS (
        SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = table_name AND relkind = 'p')
    THEN
        RAISE 'distributing multi-level partitioned tables is not supported: %', table_name;
    END IF;
    IF EXISTS (
        SELECT FROM pg_constraint
         WHERE contype = 'f' AND table_name IN (conrelid, confrelid))
    THEN
        RAISE 'cannot create foreign key constraint with a local table: %', table_name;
    END IF;
    IF colocate_with <> 'none' AND NOT EXISTS (
        SELECT FROM citus_stand_in AS other WHERE other.table_name = colocate_with::regclass)
    THEN
        RAISE 'relation % is not distributed', colocate_with;
    END IF;
    INSERT INTO citus_stand_in VALUES (table_name, distribution_column, colocate_with);
END
$$;
GRANT ALL ON citus_stand_in, citus_tables, citus_stand_in_number_seq TO kemiscope_writer;
"""
_EXTENSION: Final = """
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 1000000, 'citus', 10, 'public'::regnamespace, false, '13.0-1'"""


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Path:
    """Settings that name the database."""
    path = tmp_path / "kemiscope.toml"
    dsn, reader_dsn = map(toml_value, database)
    path.write_text(f"[database]\ndsn = {dsn}\nreader_dsn = {reader_dsn}\n")
    return path


@pytest.fixture
def admin(cluster: Cluster, database: Database) -> Any:
    """A superuser's connection to the database."""
    name = conninfo_to_dict(database.dsn)["dbname"]
    with psycopg.connect(
        make_conninfo(cluster.dsn("kemiscope_admin"), dbname=name), autocommit=True
    ) as opened:
        yield opened


def _run(config: Path) -> int:
    return main(["--config", str(config), "init-db", "--distribute"])


def test_without_citus_it_says_what_is_missing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The schema is up to date all the same."""
    assert _run(config) == 1
    told = capsys.readouterr()
    assert "the schema is up to date" in told.out
    assert "Citus is not installed on this server: install it" in told.err
    assert "no table was distributed" in told.err


def test_with_citus_every_large_table_is_distributed(
    config: Path, admin: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the Call-ID, all beside the first one; a second run finds nothing to do."""
    admin.execute(_STAND_IN)
    admin.execute(_EXTENSION)
    assert _run(config) == 0
    assert f"distributed by {BY}: {', '.join(DISTRIBUTED)}" in capsys.readouterr().out
    found = admin.execute(
        "SELECT table_name::text, distribution_column, beside FROM citus_stand_in ORDER BY number"
    ).fetchall()
    first, *others = DISTRIBUTED
    assert found == [(first, BY, "none"), *((name, BY, first) for name in others)]
    assert _run(config) == 0
    assert "all were distributed before" in capsys.readouterr().out


def test_what_was_interrupted_goes_on(
    config: Path, admin: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables that are distributed stay as they are."""
    admin.execute(_STAND_IN)
    admin.execute(_EXTENSION)
    first, second, *others = DISTRIBUTED
    statement = "SELECT create_distributed_table(%s, 'call_id', colocate_with => %s)"
    for name, beside in ((first, "none"), (second, first)):
        admin.execute(statement, (name, beside))
    assert _run(config) == 0
    assert f"distributed by {BY}: {', '.join(others)}\n" in capsys.readouterr().out


def test_a_table_that_is_distributed_otherwise(
    config: Path, admin: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Calls would be torn apart: nothing more is done."""
    admin.execute(_STAND_IN)
    admin.execute(_EXTENSION)
    admin.execute("INSERT INTO citus_stand_in VALUES (%s, 'node', 'none')", (DISTRIBUTED[1],))
    assert _run(config) == 1
    assert f"{DISTRIBUTED[1]} is distributed by node" in capsys.readouterr().err


def test_every_large_table_has_its_place(admin: psycopg.Connection[Any]) -> None:
    """A partitioned table is distributed, or it is known why not."""
    found = admin.execute("SELECT relname FROM pg_class WHERE relkind = 'p'").fetchall()
    assert {name for (name,) in found} - set(DISTRIBUTED) == {"call_link"}


def test_citus_that_this_database_does_not_have(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is on the server: one statement is left to be said."""
    monkeypatch.setattr(distribute, "_INSTALLED", "SELECT false, true")
    assert _run(config) == 1
    assert "let a superuser run CREATE EXTENSION citus in it" in capsys.readouterr().err
