# SPDX-License-Identifier: GPL-2.0-or-later
"""Counters that all processes of the agent see."""

from __future__ import annotations

import os

from agent.count import Count
from agent.counts import LAST_MESSAGE, Rows


def test_what_a_worker_counts_stays_when_it_dies() -> None:
    """Each has a row of its own; the sums are of all."""
    rows = Rows(3)
    for number in range(3):
        child = os.fork()
        if not child:
            rows.row(number)[Count.USED] = number + 1
            rows.row(number)[LAST_MESSAGE] = 1000 + number
            os._exit(0)
        os.waitpid(child, 0)
    assert rows.sums()[Count.USED] == 1 + 2 + 3
    assert sum(rows.sums()) == 6
    assert rows.row(2)[Count.USED] == 3
    assert rows.last_message == 1002
