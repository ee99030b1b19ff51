# SPDX-License-Identifier: GPL-2.0-or-later
"""Query parameters, alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from webapi.errors import ApiError
from webapi.parameters import EARLIEST, LATEST, MAX_LENGTH, flag, integer, moment, single

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-15m", NOW - timedelta(minutes=15)),
        ("-2h", NOW - timedelta(hours=2)),
        ("0", EARLIEST),
        ("1790000000.000001", EARLIEST + timedelta(seconds=1_790_000_000, microseconds=1)),
        ("2026-11-23T12:00:00Z", NOW - timedelta(minutes=30)),
        ("2026-11-23T12:00:00", NOW - timedelta(minutes=30)),
        ("2026-11-23", NOW - timedelta(hours=12, minutes=30)),
        ("2026-11-23T14:00:00+02:00", NOW - timedelta(minutes=30)),
        ("2026-11-23T14:00:00 02:00", NOW - timedelta(minutes=30)),
    ],
)
def test_points_in_time(text: str, expected: datetime) -> None:
    """Absolute, relative, with and without a zone; a lost "+" is put back."""
    assert moment("from", text, NOW) == expected


@given(st.text(max_size=30))
def test_any_text_is_a_point_in_time_or_a_400(text: str) -> None:
    """And what comes out can be calculated with."""
    with suppress(ApiError):
        assert EARLIEST <= moment("from", text, NOW) <= LATEST


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_400(text: str) -> None:
    """Only plain ASCII digits are one."""
    with suppress(ApiError):
        assert 1 <= integer("limit", text, 1, 500) <= 500
        assert text.isascii()


@pytest.mark.parametrize("value", ["yesterday", "-1x", "1e9", "-99999999999h", "9999-01-01"])
def test_what_is_no_point_in_time_is_refused(value: str) -> None:
    """With the name of the parameter."""
    with pytest.raises(ApiError, match=r"^to: must be") as caught:
        moment("to", value, NOW)
    assert (caught.value.status, caught.value.field) == (400, "to")


@pytest.mark.parametrize("value", ["", "0", "501", "-1", " 1", "1.0", "٣", "1" * 30])
def test_what_is_no_number_in_range_is_refused(value: str) -> None:
    """With the name of the parameter and the range."""
    with pytest.raises(ApiError, match=r"^limit: must be a number from 1 to 500$") as caught:
        integer("limit", value, 1, 500)
    assert (caught.value.status, caught.value.field) == (400, "limit")


def test_flags() -> None:
    """Nothing but the two words."""
    assert flag("raw", "true")
    assert not flag("raw", "false")
    for wrong in ("", "1", "yes", "TRUE"):
        with pytest.raises(ApiError, match="raw: must be true or false"):
            flag("raw", wrong)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([("b", "1")], "b: there is no such parameter"),
        ([("a", "1"), ("a", "1")], "a: is given twice"),
        ([("a", "x" * (MAX_LENGTH + 1))], "a: is longer than"),
        ([("a", "\0")], "a: has control characters"),
        ([("a", "line\nbreak")], "a: has control characters"),
    ],
)
def test_odd_parameters_are_refused(query: list[tuple[str, str]], message: str) -> None:
    """By name."""
    with pytest.raises(ApiError, match=message):
        single(MultiDict(query), {"a"})
    assert single(MultiDict([("a", "x" * MAX_LENGTH)]), {"a"}) == {"a": "x" * MAX_LENGTH}
