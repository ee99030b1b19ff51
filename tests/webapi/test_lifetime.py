# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a leg's row is, and when its messages were captured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.call_rows import CALL_START, add_answered
from tests.fix_api import Get
from webapi.lifetime import ANY_TIME, AROUND, lifetime
from webapi.parameters import LATEST

pytestmark = pytest.mark.one_database

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY_S = 86_400
ENDED = BEGAN + timedelta(minutes=3)


def _row(call_id: str, **values: Any) -> dict[str, Any]:
    found = {"started_at": BEGAN, "last_at": ENDED, "ended_at": ENDED, "timed_out_at": None}
    return {"call_id": call_id, **found, **values}


def test_the_time_of_all_legs_with_room_on_both_sides() -> None:
    """From the first that began to the last that ended; rows of others do not matter."""
    later = {"started_at": ENDED, "last_at": ENDED + AROUND}
    known = [_row("a"), _row("b", **later), _row("c", started_at=BEGAN - 5 * AROUND)]
    assert lifetime(["a"], known) == (BEGAN - AROUND, ENDED + AROUND)
    assert lifetime(["a", "b"], known) == (BEGAN - AROUND, ENDED + 2 * AROUND)


@pytest.mark.parametrize("ended", [{"ended_at": ENDED}, {"timed_out_at": ENDED}])
def test_a_leg_that_goes_on_has_no_end(ended: dict[str, datetime]) -> None:
    """What it has done lately may not have come to its row yet."""
    goes_on = _row("a", ended_at=None)
    assert lifetime(["a"], [goes_on]) == (BEGAN - AROUND, LATEST)
    assert lifetime(["a"], [goes_on | ended])[1] == ENDED + AROUND


def test_what_is_not_known_may_be_of_any_time() -> None:
    """One such Call-ID is enough."""
    assert lifetime(["a", "b"], [_row("a")]) == ANY_TIME
    assert lifetime(["a"], []) == ANY_TIME


@pytest.mark.parametrize("filed", [[], [0], [DAY_S], [9]])
async def test_the_last_use_of_a_call_id(
    get: Get, connection: AsyncConnection[TupleRow], filed: list[int]
) -> None:
    """Whether its key is still known, or says where nothing is any more."""
    await add_answered(connection, "a@x", from_user="first")
    await add_answered(connection, "a@x", DAY_S, from_user="last")
    for after_s in filed:
        await connection.execute(
            "INSERT INTO call_key VALUES (%s, %s)", ("a@x", CALL_START + timedelta(seconds=after_s))
        )
    answer = await get("/api/v1/calls/a@x")
    # A key that names an old use is never the case; here it proves that the key was followed.
    assert answer.json["call"]["caller"] == ("first" if filed == [0] else "last")
