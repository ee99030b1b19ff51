# SPDX-License-Identifier: GPL-2.0-or-later
"""What doctor says of the calls."""

from __future__ import annotations

from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.doctor import calls
from collector.doctor.finding import Level
from tests.fix_api import load_settings
from tests.fix_calls import Ingests
from tests.fix_database import Database
from tests.flow import load

JOURNAL = UUID(int=9)
Connection = AsyncConnection[TupleRow]


async def _findings(
    database: Database, connection: Connection, **settings: str
) -> list[tuple[Level, str]]:
    found = await calls.check(load_settings(database, **settings), connection, JOURNAL)
    assert {item.check for item in found} == {"calls"}
    return [(item.level, item.text) for item in found]


async def test_calls_that_go_on(
    ingests: Ingests, database: Database, connection: Connection
) -> None:
    """Those without an end are counted."""
    assert await _findings(database, connection) == [(Level.OK, "0 go on now")]
    first = await ingests.open()
    await first.store([*load("trying").messages, *load("session-direct").messages])
    await first.write()
    assert await _findings(database, connection) == [(Level.OK, "1 go on now")]


async def test_calls_that_do_not_keep_up(database: Database, connection: Connection) -> None:
    """A segment that was stored long ago and is not correlated; the last second is ordinary."""
    for age, behind in (("1 second", 100), ("10 minutes", 0)):
        await connection.execute(
            "INSERT INTO journal_progress VALUES (%s, %s, 0, 0, 900, 9, now() - %s::interval, %s)",
            (uuid4(), JOURNAL, age, 900 - behind),
        )
    assert await _findings(database, connection) == [(Level.OK, "0 go on now")]
    await connection.execute("UPDATE journal_progress SET correlated = correlated - 1")
    (_, (level, text)) = await _findings(database, connection)
    assert level is Level.WARN
    assert text.startswith("they are 10")


async def test_calls_that_were_refused(database: Database, connection: Connection) -> None:
    """They are named until the counters are gone."""
    await connection.execute(
        "INSERT INTO capture_node (journal_id, name, version, heartbeat_at, received, waiting,"
        " waiting_octets, unaccounted, calls_refused) VALUES (%s, 'a', '1', now(), 0, 0, 0, 0, 3)",
        (JOURNAL,),
    )
    (_, (level, text)) = await _findings(database, connection)
    assert level is Level.WARN
    assert "refused 3 updates" in text


async def test_without_correlation(database: Database, connection: Connection) -> None:
    """It is said why there are none."""
    ((level, text),) = await _findings(database, connection, CORRELATION_CALLS="false")
    assert level is Level.NOTE
    assert "correlation.calls is off" in text
