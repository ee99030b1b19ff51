# SPDX-License-Identifier: GPL-2.0-or-later
"""The rate of each peer, shared by processes that fork."""

from __future__ import annotations

import os
import time

from hypothesis import given
from hypothesis import strategies as st

from collector.admission.rate import BURST_NS, PROBES, ROWS, RateTable

SECOND = 1_000_000_000
NOW = 7 * SECOND


def _peer(number: int) -> bytes:
    return number.to_bytes(16)


def test_a_second_worth_at_once_then_the_rate() -> None:
    """Silence gives nothing beyond that second."""
    table = RateTable(100)
    assert sum(table.admits(_peer(1), NOW) for _ in range(1000)) == 100
    assert sum(table.admits(_peer(1), NOW + SECOND // 10) for _ in range(1000)) == 10
    assert sum(table.admits(_peer(1), NOW + 3600 * SECOND) for _ in range(1000)) == 100
    assert sum(table.admits(_peer(2), NOW) for _ in range(1000)) == 100


@given(st.integers(1, 5000), st.lists(st.integers(0, SECOND), min_size=1, max_size=300))
def test_never_more_than_the_rate_and_a_second(rate: int, gaps: list[int]) -> None:
    """However the packets are spread in time; and what is within the rate is not refused."""
    table = RateTable(rate)
    now = NOW
    admitted = 0
    for gap in gaps:
        now += gap
        admitted += table.admits(_peer(1), now)
        assert admitted <= rate + (now - NOW) * rate / SECOND + 1
    slow = RateTable(rate)
    assert all(slow.admits(_peer(1), NOW + n * (SECOND // rate + 1)) for n in range(1000))


@given(st.integers(1, 5000), st.lists(st.integers(1, 500), min_size=1, max_size=100))
def test_a_stream_that_waits_as_long_as_it_is_told_keeps_its_rate(
    rate: int, reads: list[int]
) -> None:
    """Packets that were read are taken in any case; the pause makes up for them."""
    table = RateTable(rate)
    now = NOW
    taken = 0
    for packets in reads:
        taken += packets
        now += table.delay_ns(_peer(1), packets, now)
        elapsed = (now - NOW + BURST_NS) / SECOND
        # 1 ns is lost in each interval.
        assert taken <= rate * elapsed * 1.0001 + 1
    assert table.delay_ns(_peer(2), 1, now) == 0


def test_datagrams_and_streams_of_a_peer_are_one_account() -> None:
    """Two processes, two sockets, one peer."""
    table = RateTable(100)
    assert table.delay_ns(_peer(1), 100, NOW) == 0
    assert not table.admits(_peer(1), NOW)
    assert table.delay_ns(_peer(1), 50, NOW) == SECOND // 2


def test_rows_are_free_again_when_they_say_nothing() -> None:
    """As many peers as there are, one after the other, in a small table."""
    table = RateTable(1000)
    now = NOW
    for number in range(10 * ROWS):
        assert table.admits(_peer(number), now)
        now += SECOND // 1000
    assert len(table._rows) <= 10_000


def test_when_the_table_is_full_the_others_share_a_row() -> None:
    """They get less, and nobody who has a row gets more or less for it."""
    table = RateTable(1000)
    for number in range(4 * ROWS):
        table.delay_ns(_peer(number), 3000, NOW)
    mine = [number for number in range(4 * ROWS) if table._row(_peer(number), NOW) < 2 * ROWS]
    assert len(mine) > ROWS // 2
    late = NOW + 2 * SECOND
    assert sum(table.admits(_peer(mine[0]), late + SECOND // 2) for _ in range(1000)) == 500
    assert not table.admits(_peer(4 * ROWS + 1), NOW + SECOND)
    assert PROBES < ROWS


def test_processes_share_it() -> None:
    """What a forked process takes is gone here. There is no lock: a few may slip through."""
    table = RateTable(1000)
    now = time.monotonic_ns()
    children = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            taken = sum(table.admits(_peer(1), now) for _ in range(1000))
            os._exit(min(taken * 100 // 1000, 255))
        children.append(pid)
    percent = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
    # Rounded down four times; without sharing it would be 400.
    assert 90 <= percent <= 250
    assert not table.admits(_peer(1), now)
