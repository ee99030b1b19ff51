# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of a search through two sites: nothing twice, nothing left out, in one order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.moment import to_us
from tests.call_rows import CALL_START, add_call
from tests.fix_database import Database
from tests.fix_sites import HERE, THERE, Asks, Far, asking
from webapi.search import Cursor, Page, Search
from webapi.sites.pages import merge
from webapi.subject import CALLS

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
SPAN: Final = {"from_": "2026-11-23T10:00:00Z", "to": "2026-11-23T10:10:00Z"}
_CALLERS: Final = ("alice", "Bob", "Änne", "_x", "bob", "zoë", "10", "9", "ß", "\U0001f600", "")
"""That no two databases with other collations sort alike."""


async def _fill(*connections: Connection) -> None:
    """Rows at the same place within a site, and at both sites."""
    for number, caller in enumerate(_CALLERS * 2):
        for one in connections:
            await add_call(
                one, f"{number % 7}{number // 7}@x", number // 3, from_user=caller or None
            )


async def _walk(ask: Asks, limit: int, sort: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    parameters = {**SPAN, "sort": sort, "limit": str(limit)}
    for _ in range(100):
        answer = await ask("/api/v1/calls", **parameters)
        assert answer.status == 200, answer.json
        assert len(answer.json["calls"]) <= limit
        found += [(row["call_id"], row["site"]) for row in answer.json["calls"]]
        if answer.json["next"] is None:
            return found
        parameters["cursor"] = answer.json["next"]
    raise AssertionError(found)


@pytest.mark.parametrize("sort", ["started_at", "-started_at", "caller", "-caller", "messages"])
async def test_pages_one_after_the_other(
    ask: Asks, connection: Connection, far: Far, sort: str
) -> None:
    """The same rows in the same order, however many a page has; equal ones in that of the sites."""
    await _fill(connection, far.connection)
    whole = await _walk(ask, 1000, sort)
    assert len(whole) == len(set(whole)) == 4 * len(_CALLERS)
    for limit in (1, 3, 5):
        assert await _walk(ask, limit, sort) == whole
    for (call_id, site), (next_id, next_site) in pairwise(whole):
        if call_id == next_id:
            assert (site, next_site) == (HERE, THERE)


@pytest.mark.parametrize("sort", ["caller", "-caller", "started_at"])
async def test_databases_that_sort_otherwise(
    database: Database, connection: Connection, german_database: Database, sort: str
) -> None:
    """The order of text is one of this API, not that of a database."""
    dsn = german_database.dsn
    async with await AsyncConnection.connect(dsn, autocommit=True) as german:
        await _fill(connection, german)
    async with asking(database, f"{THERE}={german_database.reader_dsn}") as ask:
        whole = await _walk(ask, 1000, sort)
        assert await _walk(ask, 3, sort) == whole
        assert len(set(whole)) == 4 * len(_CALLERS)


async def test_a_cursor_of_a_site_that_is_gone(
    database: Database, ask: Asks, connection: Connection, far: Far
) -> None:
    """It would leave out rows: it is refused."""
    await _fill(connection, far.connection)
    cursors = []
    parameters = {**SPAN, "limit": "1"}
    for _ in range(2):
        answer = await ask("/api/v1/calls", **parameters)
        parameters["cursor"] = answer.json["next"]
        cursors.append(answer.json["next"])
    async with asking(database) as alone:
        answers = [await alone("/api/v1/calls", **SPAN, cursor=cursor) for cursor in cursors]
    assert [answer.status for answer in answers] == [200, 400]
    assert answers[1].json["error"]["field"] == "cursor"


def _search(*, descending: bool, limit: int) -> Search:
    span = CALL_START, CALL_START + timedelta(hours=1)
    return Search.by_time(CALLS, span, [], limit, newest=descending, by_index=False)


def _row(second: int, site: str) -> dict[str, Any]:
    moment = CALL_START + timedelta(seconds=second)
    return {"started_at": moment, "sort_key": moment, "call_id": f"{second}@x", "site": site}


def _seconds(page: Page) -> list[int]:
    return [int(row["call_id"].removesuffix("@x")) for row in page.rows]


@pytest.mark.parametrize("descending", [False, True])
def test_no_farther_than_all_sites_have_been_searched(descending: bool) -> None:
    """One of them was stopped by the deadline: what lies beyond comes with the next page."""
    wanted = _search(descending=descending, limit=10)
    order = [*range(10)][:: -1 if descending else 1]
    here = Page([_row(number, HERE) for number in order], None, complete=True)
    reached_us = to_us(CALL_START + timedelta(seconds=order[4]))
    stop = Cursor(wanted.sort_text, reached_us, reached_us)
    there = Page([_row(order[1], THERE)], stop, complete=False)
    page = merge(wanted, [here, there])
    last = 5 if descending else 4
    assert _seconds(page) == [order[0], order[1], *order[1:last]]
    assert [row["site"] for row in page.rows[1:3]] == [HERE, THERE]
    assert (page.next, page.complete) == (stop, False)


def test_a_full_page_goes_on_behind_its_last_row() -> None:
    """And says whose that is."""
    wanted = _search(descending=False, limit=3)
    pages = [
        Page([_row(0, HERE), _row(2, HERE)], None, complete=True),
        Page([_row(0, THERE), _row(1, THERE), _row(3, THERE)], None, complete=True),
    ]
    page = merge(wanted, pages)
    assert _seconds(page) == [0, 0, 1]
    assert page.complete
    moment_us = to_us(datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC))
    assert page.next == Cursor("started_at", moment_us, moment_us, ("1@x",), THERE)
