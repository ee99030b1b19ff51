# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers with units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.settings.quantity import parse_quantity, readable


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0", 0), ("17", 17), ("17B", 17), ("1KiB", 1024), ("1kib", 1024), ("16 MiB", 16 << 20)),
        *(("4GiB", 4 << 30), ("1TiB", 1 << 40), ("1KB", 1000), ("2MB", 2_000_000)),
        *(("3GB", 3 * 10**9), ("1TB", 10**12), ("1.5KiB", 1536), ("  8 KiB ", 8192)),
    ],
)
def test_bytes(text: str, value: float) -> None:
    """Binary and decimal units, in any case."""
    assert parse_quantity(text, "bytes") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0", 0), ("17", 17), ("17s", 17), ("250ms", 0.25), ("5m", 300), ("6h", 21_600)),
        *(("14d", 14 * 86_400), ("2w", 14 * 86_400), ("1.5 h", 5400), (" 3 s ", 3)),
    ],
)
def test_seconds(text: str, value: float) -> None:
    """From milliseconds to weeks."""
    assert parse_quantity(text, "s") == value


@pytest.mark.parametrize("unit", ["bytes", "s"])
@pytest.mark.parametrize(
    "text", ["", " ", "x", "MiB", "-1", "+1", "1e3", "1,5", ".5", "1.", "1 2", "1 x", "1MiBx"]
)
def test_what_is_no_quantity_is_refused_with_the_units(text: str, unit: str) -> None:
    """So that the operator need not look them up."""
    names = "KIB, MIB" if unit == "bytes" else "ms, s, m, h, d, w"
    with pytest.raises(ValueError, match=f"is not a number with one of the units.*{names}"):
        parse_quantity(text, unit)


@pytest.mark.parametrize(
    ("text", "unit"), [("1M", "s"), ("1H", "s"), ("1m", "bytes"), ("1d", "bytes")]
)
def test_units_of_another_kind_are_refused(text: str, unit: str) -> None:
    """M is not a minute, and a day is no size."""
    with pytest.raises(ValueError, match="units"):
        parse_quantity(text, unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        *((16 << 20, "bytes", "16MiB"), (4 << 30, "bytes", "4GiB"), (1 << 10, "bytes", "1KiB")),
        *((1000, "bytes", 1000), (0, "bytes", 0), (1 << 50, "bytes", "1024TiB")),
        *((86_400.0, "s", "1d"), (1_209_600.0, "s", "14d"), (21_600.0, "s", "6h")),
        *((90.0, "s", "90s"), (0.25, "s", "250ms"), (0.0, "s", 0), (60.0, "s", "1m")),
        *((5000, "messages", 5000), ("text", "", "text"), (0.0001, "s", 0.0001)),
    ],
)
def test_readable(value: object, unit: str, text: object) -> None:
    """The largest unit without a fraction."""
    assert readable(value, unit) == text


@given(st.integers(0, 1 << 50), st.integers(0, 10**9))
def test_what_is_readable_can_be_read(size: int, milliseconds: int) -> None:
    """With the same value."""
    assert parse_quantity(str(readable(size, "bytes")), "bytes") == size
    seconds = milliseconds / 1000
    assert parse_quantity(str(readable(seconds, "s")), "s") == pytest.approx(seconds)
