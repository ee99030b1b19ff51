# SPDX-License-Identifier: GPL-2.0-or-later
"""How a search walks through time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapi import search
from webapi.errors import ApiError
from webapi.parameters import EARLIEST
from webapi.search import Cursor, Search, slices
from webapi.subject import CALLS, MESSAGES

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
US = timedelta(microseconds=1)


def _parse(**parameters: str) -> Search:
    return Search.parse(
        MESSAGES,
        {name.rstrip("_"): value for name, value in parameters.items()},
        max_rows=500,
        now=NOW,
    )


def test_without_a_range_the_last_hour_is_searched() -> None:
    """Up to and with this microsecond."""
    found = _parse()
    assert (found.begin, found.end) == (NOW + US - timedelta(hours=1), NOW + US)
    assert (found.sort_text, found.limit) == ("-ts", 100)


def test_a_call_id_is_searched_in_all_times() -> None:
    """Its index finds it wherever it is."""
    assert _parse(call_id="a@b").begin == EARLIEST
    assert _parse(call_id="a@b", from_="-1h").begin == NOW - timedelta(hours=1)


def test_a_range_has_a_longest() -> None:
    """What needs no range is not limited, nor is one of just that length, its end included."""

    def parse(**parameters: str) -> Search:
        named = {name.rstrip("_"): value for name, value in parameters.items()}
        return Search.parse(MESSAGES, named, 500, NOW, max_range=3600.0)

    assert parse().end - parse().begin == timedelta(hours=1)
    assert parse(from_="-1h").begin == NOW - timedelta(hours=1)
    assert parse(call_id="a@b").begin == EARLIEST
    with pytest.raises(ApiError, match=r"web\.max_range") as caught:
        parse(from_="-61m")
    assert (caught.value.code, caught.value.field) == ("range_too_long", "from")


_MOMENTS = st.integers(0, 4_000_000_000_000_000)


@given(first=_MOMENTS, length=st.integers(1, 10**14), descending=st.booleans())
def test_slices_cover_the_range_once(first: int, length: int, *, descending: bool) -> None:
    """Without a gap, without overlap, from the wanted end, and soon done."""
    begin = EARLIEST + first * US
    end = begin + length * US
    sort = "-ts" if descending else "ts"
    found = list(slices(_parse(from_=begin.isoformat(), to=end.isoformat(), sort=sort)))
    if descending:
        assert all(later[0] == earlier[1] for later, earlier in pairwise(found))
        found.reverse()
    else:
        assert all(earlier[1] == later[0] for earlier, later in pairwise(found))
    assert (found[0][0], found[-1][1]) == (begin, end)
    assert len(found) <= 16


@given(st.integers(0, 10**14), st.booleans())
def test_slices_go_on_at_the_cursor(offset: int, descending: bool) -> None:
    """The cursor's own microsecond is looked at again: other messages may have it."""
    begin, end = EARLIEST, EARLIEST + 10**14 * US
    sort = "-ts" if descending else "ts"
    cursor = Cursor(sort, offset, offset, (0,)).encode()
    found = list(
        slices(_parse(from_=begin.isoformat(), to=end.isoformat(), sort=sort, cursor=cursor))
    )
    position = begin + offset * US
    if descending:
        assert found[0][1] == min(end, position + US)
        assert found[-1][0] == begin
    elif position < end:
        assert found[0][0] == position
        assert found[-1][1] == end
    else:
        assert not found


@given(st.lists(st.integers(0, 99), max_size=20), st.booleans())
def test_slices_by_what_was_found_cover_the_range_once(found: list[int], descending: bool) -> None:
    """However much is found, and they never grow faster than without."""
    sort = "-ts" if descending else "ts"
    walk = slices(_parse(from_="-2d", to="now", sort=sort))
    cut = [next(walk)]
    for number in (*sorted(found), *[0] * 100):
        try:
            cut.append(walk.send(number))
        except StopIteration:
            break
    ordered = cut[::-1] if descending else cut
    assert all(earlier[1] == later[0] for earlier, later in pairwise(ordered))
    assert (ordered[0][0], ordered[-1][1]) == (NOW - 2 * 24 * timedelta(hours=1), NOW)
    lengths = [end - begin for begin, end in cut]
    assert all(length <= timedelta(seconds=4**n) for n, length in enumerate(lengths))


def test_a_slice_is_as_long_as_the_page_needs() -> None:
    """50 of 100 rows within 1 + 4 s: the rest should be in 5 s, and there is room for more."""
    walk = slices(_parse(from_="-1h", to="now"))
    next(walk)
    walk.send(0)
    begin, end = walk.send(50)
    assert end - begin == timedelta(seconds=7.5)


@given(
    st.sampled_from(["ts", "-ts", "call_id", "-status"]),
    st.integers(0, 10**15),
    st.integers(-1, 2**63 - 1),
)
def test_a_cursor_comes_back_as_it_was(sort: str, ts_us: int, row: int) -> None:
    """Through the URL."""
    value: int | str = "x ü" if sort == "call_id" else 5
    cursor = Cursor(sort, value, ts_us, (row,))
    assert Cursor.decode(cursor.encode(), MESSAGES, sort) == cursor


@given(st.text(max_size=60))
def test_any_other_text_is_no_cursor(text: str) -> None:
    """It is refused, never followed."""
    with pytest.raises(ApiError, match="cursor: "):
        Cursor.decode(text, MESSAGES, "ts")


@pytest.mark.parametrize(
    ("cursor", "fits"),
    [
        (Cursor("started_at", 5, 5, ("a@b",)), True),
        (Cursor("started_at", 5, 5), True),
        (Cursor("-duration_ms", 0.1, 5, ("a@b",)), True),
        (Cursor("-duration_ms", 5, 5, ("a@b",)), True),
        (Cursor("-duration_ms", 5, 5), False),
        (Cursor("-duration_ms", "5", 5, ("a@b",)), False),
        (Cursor("messages", 5.5, 5, ("a@b",)), False),
        (Cursor("caller", 5, 5, ("a@b",)), False),
        (Cursor("caller", "5", 5, (5,)), False),
        (Cursor("caller", "5", 5, ("a@b", 0)), False),
        (Cursor("caller", "5", 5, ("a\0b",)), False),
        (Cursor("caller", "5\0", 5, ("a@b",)), False),
    ],
)
def test_a_cursor_has_the_types_of_its_subject(cursor: Cursor, *, fits: bool) -> None:
    """What PostgreSQL would choke on is the client's fault, and is said to be."""
    text = cursor.encode()
    if fits:
        assert Cursor.decode(text, CALLS, cursor.sort) == cursor
    else:
        with pytest.raises(ApiError, match="cursor: "):
            Cursor.decode(text, CALLS, cursor.sort)


async def test_at_the_deadline_the_page_says_how_far_it_got(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was found counts, and the cursor leads to the rest."""
    asked: list[tuple[datetime, datetime]] = []

    async def query(*arguments: Any) -> list[dict[str, Any]]:
        asked.append((arguments[2], arguments[3]))
        if len(asked) == 3:
            raise ApiError(503, "timeout", "too slow")
        return [{"ts": arguments[2], "id": len(asked)}]

    monkeypatch.setattr(search, "_query", query)
    wanted = _parse(from_="-1h", to="now", sort="-ts")
    connection: Any = None
    page = await search.run(connection, wanted, 10)
    assert [row["id"] for row in page.rows] == [1, 2]
    assert not page.complete
    assert page.next
    rest = _parse(from_="-1h", to="now", sort="-ts", cursor=page.next.encode())
    assert next(slices(rest))[1] == asked[2][1] + US
    asked = [asked[0]] * 2
    with pytest.raises(ApiError, match="too slow"):
        await search.run(connection, wanted, 10)
