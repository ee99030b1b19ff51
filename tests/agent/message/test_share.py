# SPDX-License-Identifier: GPL-2.0-or-later
"""Pipes between capture workers."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.message.share import Learnt, Share

KEYS = st.lists(
    st.binary(min_size=6, max_size=6) | st.binary(min_size=18, max_size=18), max_size=32
)
LEARNT = st.builds(
    Learnt, st.integers(0, 2**62), st.binary(max_size=512), KEYS.map(tuple), KEYS.map(tuple)
)


@pytest.fixture
def shares() -> Iterator[list[Share]]:
    shares = Share.mesh(3)
    yield shares
    for share in shares:
        share.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LEARNT, max_size=20))
def test_the_others_get_it_in_order(shares: list[Share], said: list[Learnt]) -> None:
    """And whoever says it does not."""
    assert [shares[0].tell(learnt) for learnt in said] == [0] * len(said)
    assert [*shares[0].receive()] == []
    for share in shares[1:]:
        assert [*share.receive()] == said


def test_nobody_waits_for_a_worker_that_does_not_read(shares: list[Share]) -> None:
    """What does not fit is dropped whole, and who tells it knows how many did not get it."""
    told = 0
    while shares[0].tell(Learnt(told, 500 * b"x", (b"123456",), ())) == 0:
        told += 1
    assert told > 1000
    assert shares[1].tell(Learnt(0, 500 * b"y", (b"123456",), ())) == 1, (
        "worker 0 has room, worker 2 has none"
    )
    assert [learnt.expires for learnt in shares[1].receive()] == [*range(told)]
    assert [learnt.call_id for learnt in shares[0].receive()] == [500 * b"y"]


def test_what_is_too_long_for_one_write_is_dropped(shares: list[Share]) -> None:
    """Two writers would mix their parts."""
    assert shares[0].tell(Learnt(0, 5000 * b"x", (), ())) == 2
    assert [*shares[1].receive()] == []


def test_readable_when_there_is_news(shares: list[Share]) -> None:
    """So that a worker can wait for frames and for this at once."""
    assert select.select([shares[1]], [], [], 0)[0] == []
    shares[0].tell(Learnt(0, b"x", (), ()))
    assert select.select([shares[1]], [], [], 0)[0] == [shares[1]]


def test_between_processes(shares: list[Share]) -> None:
    """Two at once write to a third."""
    children = []
    for writer in (0, 1):
        child = os.fork()
        if child == 0:
            try:
                for number in range(1000):
                    shares[writer].tell(Learnt(number, b"%d" % writer, (b"123456",), ()))
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    heard = [*shares[2].receive()]
    for name in (b"0", b"1"):
        assert [learnt.expires for learnt in heard if learnt.call_id == name] == [*range(1000)]
