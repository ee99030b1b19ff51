# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of other sites."""

from __future__ import annotations

from contextlib import ExitStack

from collector.doctor import sites as subject
from collector.doctor.finding import Level
from stack.ports import free_port
from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_sites import THERE, Remote
from tests.silent_port import HOST, silence


async def _levels(here: Database, *entries: str) -> list[tuple[Level, str]]:
    listed = ", ".join(f"'{entry}'" for entry in entries)
    settings = load_settings(here, SITES_DATABASES=f"[{listed}]", SITES_TIMEOUT="0.5")
    return [(found.level, found.text) for found in await subject.check(settings)]


async def test_one_that_answers_and_then_does_not(
    shared_database: Database, remote: Remote
) -> None:
    """A warning, no failure: here everything works."""
    assert await _levels(shared_database, remote.entry) == [(Level.OK, f"{THERE} answers")]
    remote.go()
    ((level, text),) = await _levels(shared_database, remote.entry)
    assert level is Level.WARN
    assert text.startswith(f"{THERE}: ")
    assert "not currently accepting connections" in text


async def test_one_without_this_schema(shared_database: Database, empty_database: Database) -> None:
    """It is of another version, or was never set up."""
    ((level, text),) = await _levels(shared_database, f"{THERE}={empty_database.reader_dsn}")
    assert level is Level.WARN
    assert "lacks schema migration 1" in text


async def test_one_behind_a_silent_network(shared_database: Database) -> None:
    """The doctor has an end."""
    with ExitStack() as stack:
        port = free_port()
        silence(stack, port)
        found = await _levels(shared_database, f"{THERE}=host={HOST} port={port} dbname=x user=y")
    assert found == [(Level.WARN, f"{THERE} does not answer within sites.timeout")]


async def test_nothing_to_say(shared_database: Database) -> None:
    """Of one site alone."""
    assert await _levels(shared_database) == []
