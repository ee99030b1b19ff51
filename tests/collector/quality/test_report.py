# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers from senders: read in every spelling, and never nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.quality.report import MAX_JITTER, MAX_LOST, ReportFault, Values, ratio

COUNTERS = [
    *((0, 0), (44, 44), ("44", 44), (" 44 ", 44), (44.0, 44), ("44.4", 44), ("0x2c", 44)),
    *((2**32 - 2, 2**32 - 2), (-1640316609, 2654650687), ("-1640316609", 2654650687)),
]
IMPOSSIBLE = [
    *(-1, 2**32 - 1, 2**32, "4294967295", "-1", 1e300, -(2**31) - 1, True, False),
    *("many", "1e3", "nan", "-", ".", [], {}, [1], "0x", "1" * 40),
]


@pytest.mark.parametrize(("value", "expected"), COUNTERS)
def test_counters(value: Any, expected: int) -> None:
    """Text, decimal places, and the sign of senders that print 32 bits as a signed number."""
    values = Values({"x": value})
    assert values.counter("x") == expected
    assert type(values.counter("x")) is int
    assert values.fault is None


@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_impossible_counters(value: Any) -> None:
    """All bits set among them: it stands for unknown."""
    values = Values({"x": value})
    assert values.counter("x") is None
    assert values.fault is ReportFault.VALUE


@pytest.mark.parametrize("source", [{}, {"x": None}, {"x": ""}])
def test_what_is_absent_is_no_fault(source: dict[str, Any]) -> None:
    """It is just unknown."""
    values = Values(source)
    found = [values.counter("x"), values.lost("x"), values.mos("x"), values.r_factor("x")]
    found += [values.milliseconds("x"), values.measured_ms("x"), values.real("x", 1)]
    assert found == [None] * 7
    assert values.fault is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (MAX_LOST, MAX_LOST), (MAX_LOST + 1, None), (-1, None), (-5, None), (2**24 - 1, None)],
)
def test_lost_packets_end_at_23_bits(value: int, expected: int | None) -> None:
    """More are a negative number that was read without its sign."""
    values = Values({"x": value})
    assert values.lost("x") == expected
    assert (values.fault is None) == (expected is not None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((1, 1.0), (5, 5.0), (4.1, 4.1), ("4.1", 4.1), (41, 4.1), (410, 4.1), (4100, 4.1)),
        *((0, None), (0.9, None), (5.1, None), (9, None), (51, None), (501, None), (-1, None)),
        *((127, None), (12.7, None), (65_535, None), (2**32 - 1, None)),
    ],
)
def test_mos(value: Any, expected: float | None) -> None:
    """From 1 to 5, also in tenths, hundredths and thousandths; 127 is RFC 3611's unavailable."""
    values = Values({"x": value})
    assert values.mos("x") == expected
    assert (values.fault is None) == (expected is not None)


def test_a_stated_scale_is_not_guessed_at() -> None:
    """horaclifix writes hundredths, whatever comes out."""
    assert Values({"x": 420}).mos("x", 100) == 4.2
    assert Values({"x": 4.2}).mos("x", 100) is None
    assert Values({"x": 800}).r_factor("x", 100) == 8


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (93.2, 93.2), (120, 120), (9320, 93.2), (121, None), (127, None), (12_001, None)],
)
def test_r_factor(value: float, expected: float | None) -> None:
    """127 is RFC 3611's word for unavailable."""
    values = Values({"x": value})
    assert values.r_factor("x") == expected
    assert (values.fault is None) == (expected is not None)


def test_jitter_has_a_limit() -> None:
    """Minutes of jitter are no measurement."""
    assert Values({"x": MAX_JITTER}).counter("x", MAX_JITTER) == MAX_JITTER
    values = Values({"x": MAX_JITTER + 1})
    assert values.counter("x", MAX_JITTER) is None
    assert values.fault is ReportFault.VALUE


def test_a_delay_of_zero_was_not_measured() -> None:
    """Where the RFC says so."""
    values = Values({"x": 0})
    assert (values.milliseconds("x"), values.measured_ms("x"), values.fault) == (0, None, None)


def test_ratio() -> None:
    """Only of what makes sense."""
    assert ratio(12, 1200) == 0.01
    assert ratio(None, 5) is ratio(5, None) is ratio(0, 0) is ratio(7, 5) is None


_anything = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=30)),
    *(st.from_regex(r"-?[0-9]{1,30}(\.[0-9]*)?"), st.lists(st.integers(), max_size=2)),
)


@given(_anything)
def test_any_value_is_in_range_or_a_fault(value: Any) -> None:
    """What comes out fits its column."""
    values = Values({"x": value})
    counter, lost = values.counter("x"), values.lost("x")
    assert counter is None or 0 <= counter < 2**32 - 1
    assert lost is None or 0 <= lost < 2**23
    mos, r_factor = values.mos("x"), values.r_factor("x")
    assert mos is None or 1 <= mos <= 5
    assert r_factor is None or 0 <= r_factor <= 120
