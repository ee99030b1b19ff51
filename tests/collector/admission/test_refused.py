# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts by peer that survive the process, in a file of fixed size."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.admission import refused as module
from collector.admission.refused import FILE_NAME, KEPT_NS, PEERS, Refused, RefusedPeers, read
from collector.causes import CAUSES, Cause
from collector.errors import JournalError
from collector.journal.record import OTHER_PEER, pack_address
from tests.fix_journal import Clock

HOST = pack_address("192.0.2.7")
OTHER = pack_address("2001:db8::7")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the counts."""
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def _counts(journal: Path) -> dict[tuple[bytes, Cause], int]:
    return {(one.peer, one.cause): one.packets for one in read(journal)}


def _peer(number: int) -> bytes:
    return pack_address(f"10.0.{number >> 8}.{number & 255}")


def test_peers_and_causes_are_told_apart(tmp_path: Path, clock: Clock) -> None:
    """The most recent first."""
    peers = RefusedPeers(tmp_path, 3)
    for _ in range(5):
        peers.count(HOST, Cause.SENDER_NETWORK)
    clock.add(1)
    peers.count(OTHER, Cause.SENDER_NETWORK)
    clock.add(1)
    peers.count(HOST, Cause.SENDER_RATE)
    begin = clock.now_ns - 2 * 10**9
    assert read(tmp_path) == [
        Refused(HOST, Cause.SENDER_RATE, 1, begin + 2 * 10**9),
        Refused(OTHER, Cause.SENDER_NETWORK, 1, begin + 10**9),
        Refused(HOST, Cause.SENDER_NETWORK, 5, begin),
    ]


def test_processes_count_beside_each_other_and_after_each_other(
    tmp_path: Path, clock: Clock
) -> None:
    """Each in the part of its slot; the next process in the slot goes on."""
    for slot in (0, 63, 0):
        peers = RefusedPeers(tmp_path, slot)
        peers.count(HOST, Cause.SENDER_RATE)
        peers.count(_peer(slot), Cause.STREAM_LIMIT)
        clock.add(1)
    (both,) = [one for one in read(tmp_path) if one.peer == HOST]
    assert both == Refused(HOST, Cause.SENDER_RATE, 3, clock.now_ns - 10**9)
    assert _counts(tmp_path)[_peer(0), Cause.STREAM_LIMIT] == 2


def test_the_file_stays_small(tmp_path: Path, clock: Clock) -> None:
    """Whoever finds no row is counted with the others, by cause; nothing is lost."""
    peers = RefusedPeers(tmp_path, 0)
    size = (tmp_path / FILE_NAME).stat().st_size
    for number in range(5 * PEERS):
        peers.count(_peer(number), Cause.SENDER_NETWORK)
        peers.count(_peer(number), Cause.SENDER_RATE)
        clock.add(0.01)
    found = _counts(tmp_path)
    assert len(found) == PEERS + 2
    assert found[OTHER_PEER, Cause.SENDER_NETWORK] == 5 * PEERS - PEERS // 2
    assert sum(found.values()) == 10 * PEERS
    assert (tmp_path / FILE_NAME).stat().st_size == size < 1 << 20


def test_who_was_not_refused_for_an_hour_makes_room(tmp_path: Path, clock: Clock) -> None:
    """So that a sender that is refused now is seen, whoever came by last year."""
    peers = RefusedPeers(tmp_path, 0)
    for number in range(PEERS):
        peers.count(_peer(number), Cause.SENDER_NETWORK)
    clock.add(10)
    peers.count(_peer(5), Cause.SENDER_NETWORK)
    clock.add(KEPT_NS / 1e9 - 5)
    peers.count(HOST, Cause.SENDER_NETWORK)
    found = _counts(tmp_path)
    assert found == {
        (_peer(5), Cause.SENDER_NETWORK): 2,
        (HOST, Cause.SENDER_NETWORK): 1,
        (OTHER_PEER, Cause.SENDER_NETWORK): PEERS - 1,
    }
    again = RefusedPeers(tmp_path, 0)
    again.count(_peer(5), Cause.SENDER_NETWORK)
    assert _counts(tmp_path)[_peer(5), Cause.SENDER_NETWORK] == 3


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from(CAUSES[18:]), st.integers(0, 1800)),
        max_size=600,
    )
)
def test_the_sum_is_always_what_was_counted(
    tmp_path_factory: pytest.TempPathFactory, counts: list[tuple[int, Cause, int]]
) -> None:
    """By cause, whatever the order and whoever makes room."""
    journal = tmp_path_factory.mktemp("refused")
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", clock)
        peers = RefusedPeers(journal, 1)
        for peer, cause, pause in counts:
            peers.count(_peer(peer), cause)
            clock.add(pause)
    found: Counter[Cause] = Counter()
    for one in read(journal):
        found[one.cause] += one.packets
    assert found == Counter(cause for _, cause, _ in counts)


def test_a_flood_of_invented_peers_is_not_searched_for_room_each_time(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a second is enough."""
    peers = RefusedPeers(tmp_path, 0)
    searches = []
    forget = peers._forget

    def counted(before_ns: int) -> None:
        searches.append(before_ns)
        forget(before_ns)

    monkeypatch.setattr(peers, "_forget", counted)
    for number in range(1000):
        peers.count(_peer(number), Cause.SENDER_NETWORK)
    assert len(searches) == 1
    clock.add(1.1)
    peers.count(_peer(2000), Cause.SENDER_NETWORK)
    assert len(searches) == 2


def test_nothing_refused_is_nothing(tmp_path: Path) -> None:
    """Also when no process has ever opened the file."""
    assert read(tmp_path) == []


def test_a_file_that_is_another_is_refused(tmp_path: Path) -> None:
    """Instead of being written over."""
    (tmp_path / FILE_NAME).write_bytes(b"another" * 100_000)
    with pytest.raises(JournalError, match="another version"):
        read(tmp_path)
    with pytest.raises(JournalError, match="No such file"):
        RefusedPeers(tmp_path / "missing", 0)


def test_the_time_is_that_of_the_last_one(tmp_path: Path) -> None:
    """In ns since 1970."""
    before = time.time_ns()
    RefusedPeers(tmp_path, 0).count(HOST, Cause.STREAM_PROTOCOL)
    (only,) = read(tmp_path)
    assert before <= only.last_ns <= time.time_ns()
