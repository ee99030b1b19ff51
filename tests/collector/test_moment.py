# SPDX-License-Identifier: GPL-2.0-or-later
"""Points in time keep every µs, wherever they go."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from collector import moment

LAST_US = 253_402_300_799_999_999  # the end of the year 9999


@given(st.integers(0, LAST_US))
def test_microseconds_survive(us: int) -> None:
    """There and back, as number and as text."""
    found = moment.from_us(us)
    assert moment.to_us(found) == us
    assert datetime.fromisoformat(moment.to_text(found)) == found


def test_an_id_is_a_time_of_arrival() -> None:
    """The writer's slot in its last digits is no part of it."""
    assert moment.from_id(1_795_417_506_330_063_543) == moment.from_us(1_795_417_506_330_063)


def test_text_is_in_utc() -> None:
    """Whatever zone the moment is in."""
    there = timezone(timedelta(hours=5, minutes=30))
    assert (
        moment.to_text(datetime(2026, 1, 1, 5, 30, tzinfo=there)) == "2026-01-01T00:00:00.000000Z"
    )
