# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter for duplicates: exact within its table, and indifferent to crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.hep import TYPE_LOG
from collector.selection import duplicates
from collector.selection.duplicates import FILE_NAME, DuplicateFilter, Key
from tests.collector.selection.candidates import ARRIVAL, candidate
from tests.sip_text import request

MS = 1_000_000
Make = Callable[..., DuplicateFilter]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Filters of one node, as its ingest processes have them."""
    made: list[DuplicateFilter] = []

    def make_one(window_ms: float = 500, key: Key = Key.MESSAGE) -> DuplicateFilter:
        made.append(DuplicateFilter(tmp_path, window_ms / 1000, key))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def test_within_the_window_only_the_first_one_stays(make: Make) -> None:
    """The window counts from the one that was kept: a storm does not keep itself alive."""
    chosen = make()
    times = [0, 1, 499, 500, 700, 999, 1001]
    found = [chosen.discards(candidate(record_id=ARRIVAL + ms * MS)) for ms in times]
    assert found == [False, True, True, False, True, True, False]


def test_other_messages_stay(make: Make) -> None:
    """One byte makes another message."""
    chosen = make()
    assert not chosen.discards(candidate(request(number=1)))
    assert not chosen.discards(candidate(request(number=2), record_id=ARRIVAL + 64))


@pytest.mark.parametrize(("key", "discarded"), [(Key.MESSAGE, True), (Key.PACKET, False)])
def test_the_same_message_at_another_hop(make: Make, key: Key, discarded: bool) -> None:
    """Counts or not, as the key says."""
    chosen = make(key=key)
    assert not chosen.discards(candidate())
    assert chosen.discards(candidate(record_id=ARRIVAL + 64, src_port=5099)) == discarded
    assert chosen.discards(candidate(record_id=ARRIVAL + 128))


def test_every_type_has_duplicates(make: Make) -> None:
    """Log lines for instance."""
    chosen = make()
    assert not chosen.discards(candidate(b"a line", type=TYPE_LOG))
    assert chosen.discards(candidate(b"a line", type=TYPE_LOG, record_id=ARRIVAL + 64))


def test_processes_share_the_table(make: Make) -> None:
    """Two workers may have received the two."""
    assert not make().discards(candidate())
    assert make().discards(candidate(record_id=ARRIVAL + MS))


def test_it_does_not_matter_who_is_read_first(make: Make) -> None:
    """The later one may be stored first; the earlier one is a duplicate then."""
    chosen = make()
    assert not chosen.discards(candidate(record_id=ARRIVAL + MS))
    assert chosen.discards(candidate(record_id=ARRIVAL))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 800)), min_size=1, max_size=20))
def test_records_that_are_read_again_have_the_same_fate(
    tmp_path_factory: pytest.TempPathFactory, packets: list[tuple[int, int]]
) -> None:
    """After a crash nothing that was kept becomes a duplicate, and no duplicate is kept.

    As long as no entry was replaced by a later occurrence of the same message.
    """
    chosen = DuplicateFilter(tmp_path_factory.mktemp("journal"), 60, Key.MESSAGE)
    batch = [
        candidate(request(number=number + 1), record_id=ARRIVAL + ms * MS + position * 64)
        for position, (number, ms) in enumerate(packets)
    ]
    first = [chosen.discards(item) for item in batch]
    assert [chosen.discards(item) for item in batch] == first
    assert first.count(False) == len({number for number, _ in packets})
    chosen.close()


def test_a_small_table_keeps_too_much_and_never_too_little(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest of a full row makes room for the next, and is stored when it comes again."""
    monkeypatch.setattr(duplicates, "PLACES", duplicates.WAYS)
    chosen = make()

    def discards(position: int, number: int) -> bool:
        return chosen.discards(candidate(request(number=number), record_id=ARRIVAL + position * 64))

    arrived = [*range(1, duplicates.WAYS + 2), 1]
    assert [discards(*item) for item in enumerate(arrived)] == [False] * len(arrived)
    assert [discards(len(arrived), number) for number in (3, 2)] == [True, False]


def test_the_file_has_its_size_and_stays(tmp_path: Path, make: Make) -> None:
    """Bounded, and a process that starts finds what the one before it knew."""
    chosen = make()
    with chosen.locked():
        assert not chosen.discards(candidate())
    size = (tmp_path / FILE_NAME).stat().st_size
    assert size == duplicates.PLACES * 24
    assert make().discards(candidate(record_id=ARRIVAL + 1))
    assert (tmp_path / FILE_NAME).stat().st_size == size
