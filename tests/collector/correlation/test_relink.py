# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule that is turned on later reaches the calls that are stored already."""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.correlation.relink import relink
from tests.fix_api import load_settings
from tests.fix_calls import Ingests, select
from tests.fix_database import Database
from tests.flow import load

Connection = AsyncConnection[TupleRow]


async def test_stored_calls_are_linked_by_a_new_rule(
    database: Database, connection: Connection
) -> None:
    """Once, however often it runs, and whether or not the leg's key is remembered."""
    flow = load("b2bua-header")
    ingests = Ingests(database, headers=())
    first = await ingests.open()
    await first.store(flow.messages)
    await first.write()
    await connection.execute("DELETE FROM call_key")
    assert await select(connection, "call_link") == []
    settings = load_settings(database, CORRELATION_HEADERS='["X-CID"]')
    told: list[tuple[datetime, int, int]] = []
    begin, end = flow.begins - timedelta(minutes=1), flow.begins + timedelta(minutes=5)
    for new in (1, 0):
        told.clear()
        found = await relink(connection, settings, begin, end, lambda *seen: told.append(seen))
        assert found == new
        assert told[-1] == (end, len(flow.messages), new)
        assert [seen[0] for seen in told] == sorted(seen[0] for seen in told)
    (link,) = await select(connection, "call_link")
    (expected,) = flow.links
    assert link["call_id"] == flow.legs[expected.leg]
    assert link["linked_id"] == flow.legs[expected.other]
    assert (link["reason"], link["detail"], link["confidence"]) == ("header", "X-CID", "certain")
    await ingests.close()
