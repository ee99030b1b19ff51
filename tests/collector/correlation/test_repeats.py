# SPDX-License-Identifier: GPL-2.0-or-later
"""What is repeated, told from what was seen."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.correlation.repeats import repeats


def _entry(message: int, node: int) -> bytes:
    return (message << 8 | node).to_bytes(4)


@pytest.mark.parametrize(
    ("entries", "retransmissions", "copies"),
    [
        ([], 0, 0),
        ([(1, 7), (2, 7), (3, 9)], 0, 0),
        ([(1, 7), (1, 7), (1, 7)], 2, 0),
        ([(1, 7), (1, 9)], 0, 1),
        ([(1, 7), (1, 9), (1, 7), (1, 9)], 1, 1),
        ([(1, 7), (1, 9), (1, 7), (1, 7), (2, 7), (2, 7), (2, 8), (2, 9)], 3, 3),
    ],
)
def test_repeats(entries: list[tuple[int, int]], retransmissions: int, copies: int) -> None:
    """A second node's sight of a message is a copy; a node's second sight a retransmission."""
    seen = b"".join(_entry(*entry) for entry in entries)
    assert repeats(seen) == (retransmissions, copies)
    assert repeats(seen + b"\1\2\3") == (retransmissions, copies)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))), st.randoms(use_true_random=False))
def test_order_does_not_matter(entries: list[tuple[int, int]], random: Random) -> None:
    """Nor can there be more repeats than messages."""
    packed = [_entry(*entry) for entry in entries]
    found = repeats(b"".join(packed))
    random.shuffle(packed)
    assert repeats(b"".join(packed)) == found
    assert sum(found) <= max(0, len(entries) - len({message for message, _ in entries}))
