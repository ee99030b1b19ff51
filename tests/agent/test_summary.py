# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit line: what it names, and that both balances can be read from it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agent.count import Count, Outcome, Unit
from agent.summary import describe, is_balanced
from collector.output.fate import Fate
from collector.output.standing import OutputStatus
from collector.output.state import State


def _server(fates: dict[Fate, int]) -> OutputStatus:
    state = State(target="udp:192.0.2.1:9060", fates=fates)
    return OutputStatus("relay", state, running=True, waiting=7, octets=1)


def test_the_line_names_what_was_seen_sent_filtered_kept_and_lost() -> None:
    """Causes that did not occur are left out."""
    counts = [0] * len(Count)
    counts[Count.CAPTURED] = 20
    counts[Count.USED] = 12
    counts[Count.CONTENT] = 5
    counts[Count.DUPLICATE] = 3
    counts[Count.FOUND] = 11
    counts[Count.JOURNALED] = 8
    counts[Count.METHOD] = 2
    counts[Count.NO_ROOM] = 1
    counts[Count.KERNEL] = 4
    text = describe(counts, [_server({Fate.DELIVERED: 1, Fate.TOO_LARGE: 2})], kept=False)
    assert text == (
        "frames: 20 captured, 12 used, 8 filtered (content 5, duplicate 3), 0 ignored,"
        " 0 malformed, 0 lost; messages: 11 found, 8 handed over, 2 filtered (method 2),"
        " 1 lost (no_room 1); dropped before capture: 4 (kernel 4);"
        " udp:192.0.2.1:9060: 1 sent, 7 unsent, 2 lost (too_large 2)"
    )
    assert "7 in the spool" in describe(counts, [_server({})], kept=True)


@given(st.lists(st.integers(0, 1 << 40), min_size=len(Count), max_size=len(Count)))
def test_the_line_holds_every_count(counts: list[int]) -> None:
    """Each total is followed by parts, and every part by its causes, which sum up to it."""
    text = describe(counts, [], kept=False)
    for one in Count:
        if one.outcome in (Outcome.TOTAL, Outcome.USED) or not counts[one]:
            continue
        if one.unit is not Unit.CONNECTION:
            assert re.search(rf"\b{one.label} {counts[one]}\b", text), one
    for number, causes in re.findall(r"(\d+) [a-z]+ \(([^)]*)\)", text):
        assert int(number) == sum(int(cause.split()[-1]) for cause in causes.split(", "))


def test_a_frame_without_fate_is_seen() -> None:
    """Of each unit."""
    counts = [0] * len(Count)
    assert is_balanced(counts)
    for total, part in ((Count.CAPTURED, Count.USED), (Count.FOUND, Count.NO_ROOM)):
        counts[total] = 1
        assert not is_balanced(counts)
        counts[part] = 1
        assert is_balanced(counts)
