# SPDX-License-Identifier: GPL-2.0-or-later
"""The partitions that went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.retention.drop import record
from tests.fix_api import Get
from tests.plan import explain
from webapi.drops import COLUMNS, LIST, REASONS

pytestmark = pytest.mark.one_database

PATH = "/api/v1/retention/drops"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def _drop(connection: AsyncConnection[TupleRow], number: int) -> None:
    for n in range(number):
        kind, reason = (("call", "max_bytes"), ("other", "age"))[n % 2]
        await record(connection, *(kind, f"p{n}", NOON, NOON + HOUR, 10, 500, reason, "node1"))


async def test_the_last_one_comes_first_and_pages_go_on(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """None twice, none left out; the last page has no next."""
    await _drop(connection, 7)
    found: list[str] = []
    parameters: dict[str, str] = {}
    while len(found) < 7:
        page = (await get(PATH, limit="3", **parameters)).json
        found += [drop["partition"] for drop in page["drops"]]
        parameters = {"before": str(page["next"])}
    assert found == [f"p{n}" for n in range(6, -1, -1)]
    assert page["next"] is None
    assert set(page["drops"][0]) == {"id", *COLUMNS}
    assert page["drops"][0]["range_end"] == "2026-11-23T13:00:00.000000Z"


async def test_of_one_kind_and_for_one_reason(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """And nothing where nothing is both."""
    await _drop(connection, 4)
    for parameters, expected in (
        ({"kind": "call"}, ["p2", "p0"]),
        ({"reason": "age"}, ["p3", "p1"]),
        ({"kind": "call", "reason": "age"}, []),
    ):
        page = (await get(PATH, **parameters)).json
        assert [drop["partition"] for drop in page["drops"]] == expected


@pytest.mark.parametrize(
    "parameters", [{"kind": "calls"}, {"reason": "mood"}, {"before": "0"}, {"limit": "0"}]
)
async def test_a_word_that_is_not_known_is_refused(get: Get, parameters: dict[str, str]) -> None:
    """With its name."""
    answer = await get(PATH, **parameters)
    assert (answer.status, answer.json["error"]["field"]) == (400, next(iter(parameters)))


async def test_a_page_is_found_by_an_index(connection: AsyncConnection[TupleRow]) -> None:
    """However many partitions went before."""
    await connection.execute(
        "INSERT INTO retention_log (kind, partition, range_begin, range_end, messages, octets,"
        " reason, capture_node) SELECT 'call', 'p', now(), now(), 1, 1, 'age', 'node1'"
        " FROM generate_series(1, 20000)"
    )
    await connection.execute("ANALYZE retention_log")
    values = {"kind": None, "reason": REASONS[0], "before": 9000, "limit": 101}
    plan = await explain(connection, LIST, values)
    assert plan.scans_whole == []
    assert plan.indexes == {"retention_log_pkey"}
