# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process remembers of legs: the last ones, and not more."""

from __future__ import annotations

import pytest

from collector.correlation import known
from collector.correlation.known import Filed, KnownLegs

FILED = Filed(1, (0, 1, 1))
LATER = Filed(1, (0, 2, 2))


def test_what_was_added_last_counts() -> None:
    """A leg is known, again with something else, and unknown after all is forgotten."""
    legs = KnownLegs()
    assert legs.get(b"a") is None
    legs.add({b"a": FILED})
    assert legs.get(b"a") == FILED
    legs.add({b"a": LATER})
    assert legs.get(b"a") == LATER
    legs.forget()
    assert legs.get(b"a") is None


def test_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded by two generations and what one write adds."""
    monkeypatch.setattr(known, "MAX_LEGS", 10)
    legs = KnownLegs()
    for number in range(100):
        legs.add({b"%d" % number: FILED})
        assert len(legs) <= 22
        assert legs.get(b"%d" % number) == FILED
    assert legs.get(b"0") is None
    assert legs.get(b"95") == FILED
