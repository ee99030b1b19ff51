# SPDX-License-Identifier: GPL-2.0-or-later
"""Positions: nothing is missed and nothing is read twice, whatever the order of commits."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from webapi.live.position import MAX_KNOWN, EventId, Position, Snapshot, after

WORD = (1 << 32) - 1
XIDS = st.integers(0, WORD)
POSITIONS = st.builds(
    Position,
    st.integers(0, (1 << 63) - 1),
    st.lists(XIDS, max_size=MAX_KNOWN).map(tuple),
    st.integers(0, 1 << 57),
    st.integers(0, 1 << 57),
)
IDS = st.builds(
    EventId,
    POSITIONS,
    st.lists(XIDS, max_size=MAX_KNOWN).map(tuple),
    st.one_of(
        st.just(()), st.tuples(st.integers(0, 1 << 62), st.integers(-(1 << 63), (1 << 63) - 1))
    ),
)


@given(IDS)
def test_an_id_is_one_line_and_comes_back(made: EventId) -> None:
    """As it is given in Last-Event-ID."""
    text = made.encode()
    assert text
    assert text.isascii()
    assert not set(text) & set("\r\n\0 ")
    assert EventId.decode(text, (int, int)) == made


@given(st.text() | IDS.map(EventId.encode))
def test_whatever_is_given_as_an_id_is_one_or_none(text: str) -> None:
    """It comes from anybody; one of messages is none of calls."""
    found = EventId.decode(text, (int, str))
    assert found is None or found.key == () or isinstance(found.key[1], str)


def test_an_id_that_would_be_long_is_left_out() -> None:
    """The one before goes on to hold: rows may then come twice, but none is missed."""
    position = Position(0, tuple(range(MAX_KNOWN + 1)), 0, 0)
    assert EventId(position).encode() == ""


@given(
    st.integers(0, (1 << 40)),
    st.lists(st.sampled_from(["begin", "commit", "read"]), max_size=60),
    st.randoms(use_true_random=False),
)
def test_every_transaction_is_read_once(begin: int, steps: list[str], random: Random) -> None:
    """However they begin and end between the readings, numbers that come round included."""
    next_xid, first = begin, begin
    known: tuple[int, ...] = ()
    running: list[int] = []
    committed: list[int] = []
    read: list[int] = []
    for step in [*steps, "read"]:
        if step == "begin":
            running.append(next_xid)
            next_xid += 1
        elif step == "commit" and running:
            committed.append(running.pop(running.index(random.choice(running))))
        elif step == "read":
            new = [xid for xid in committed if xid >= first and xid & WORD not in known]
            read += new
            visible = {xid & WORD for xid in new} | set(known)
            first, known = after(Snapshot(min([*running, next_xid]), next_xid), visible)
            assert len(known) <= next_xid - first
    assert sorted(read) == sorted(committed)


def test_a_snapshot_is_read_as_postgresql_writes_it() -> None:
    """With and without transactions that run."""
    assert Snapshot.parse("10:20:10,14,15") == (10, 20)
    assert Snapshot.parse("10:10:") == (10, 10)
