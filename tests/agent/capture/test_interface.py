# SPDX-License-Identifier: GPL-2.0-or-later
"""Counters of libpcap; interfaces themselves are tested as ``Live``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.capture.interface import grown

WRAP = 1 << 32


@given(st.integers(0, 1 << 40), st.integers(0, (1 << 31) - 1))
def test_a_counter_that_wraps_has_grown(total: int, more: int) -> None:
    """By what came, whatever its 32 bits show."""
    assert grown(total % WRAP, (total + more) % WRAP) == more


@given(st.integers(0, WRAP - 1), st.integers(1, 1 << 31))
def test_a_counter_that_went_back_has_not_grown(before: int, less: int) -> None:
    """As those of a driver that was loaded anew."""
    assert grown(before, max(0, before - less)) == 0
