# SPDX-License-Identifier: GPL-2.0-or-later
"""Who takes a segment: one process while it can do it all, several when it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from collector.journal import reader, share
from collector.journal.counters import Counters, Field, Role, claim_slot
from collector.journal.reader import Reader
from collector.journal.share import ALONE, ALONE_AGAIN, GRACE_S, LOOK_S, Share
from tests.fix_journal import OpenWriter, append


class _Clock:
    """Stands in for the module ``time``."""

    now = 0.0

    def monotonic(self) -> float:
        """The time of the test."""
        return self.now


class _Process:
    """One ingest process, as far as it claims segments."""

    def __init__(self, journal: Path) -> None:
        self.counters = Counters(journal)
        number, self.lock = claim_slot(self.counters, journal, Role.INGEST, 1)
        self.slot = self.counters.slot(number)
        self.reader = Reader(journal, self.counters)
        self.share = Share(journal, self.counters, number)

    def claims(self, *, idle: bool = True) -> int:
        """Segments that it takes now."""
        count = 0
        while self.share.claim(self.reader, idle=idle):
            count += 1
        return count

    def end(self) -> None:
        """Its locks go, what it has counted stays."""
        self.reader.close()
        if self.lock >= 0:
            os.close(self.lock)
            self.slot.release()
            self.counters.close()
        self.lock = -1


Start = Callable[[], _Process]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The time of all processes."""
    clock = _Clock()
    monkeypatch.setattr(share, "time", clock)
    monkeypatch.setattr(reader, "time", clock)
    return clock


@pytest.fixture
def start(journal: Path, clock: _Clock) -> Iterator[Start]:
    """Starts an ingest process."""
    assert clock.now == 0
    with ExitStack() as stack:

        def make() -> _Process:
            process = _Process(journal)
            stack.callback(process.end)
            return process

        yield make


def _look(clock: _Clock, *processes: _Process, rested: float) -> None:
    """Let pass the time after which all look, and look again at what all said."""
    for _ in range(2):
        clock.now += LOOK_S
        for process in processes:
            process.share.rested(rested * LOOK_S)
            process.share.update()


def test_the_first_takes_all_while_there_is_little_to_do(
    clock: _Clock, start: Start, open_writer: OpenWriter
) -> None:
    """Segments of all writers, also those that begin later."""
    first, second = start(), start()
    append(open_writer(), b"1")
    append(open_writer(), b"2")
    assert (second.claims(), first.claims()) == (0, 2)
    _look(clock, first, second, rested=0.9)
    append(open_writer(), b"3")
    assert (second.claims(), first.claims(idle=False)) == (0, 1)


def test_what_the_first_leaves_lying_is_for_any(
    clock: _Clock, start: Start, open_writer: OpenWriter
) -> None:
    """It lives, but takes nothing."""
    start()
    second = start()
    append(open_writer(), b"1")
    append(open_writer(), b"2")
    assert second.claims() == 0
    clock.now += 0.9 * GRACE_S
    assert second.claims() == 0
    clock.now += 0.2 * GRACE_S
    assert second.claims() == 2


def test_what_had_a_reader_meanwhile_has_not_been_left_lying(
    clock: _Clock, start: Start, open_writer: OpenWriter
) -> None:
    """The time begins anew when its reader gives it back."""
    first, second = start(), start()
    append(open_writer(), b"1")
    assert (second.claims(), first.claims(), second.claims()) == (0, 1, 0)
    clock.now += 2 * GRACE_S
    assert second.claims() == 0
    first.reader.close()
    assert second.claims() == 0
    clock.now += GRACE_S
    assert second.claims() == 1


def test_when_the_first_ends_the_next_is_the_first(
    clock: _Clock, start: Start, open_writer: OpenWriter
) -> None:
    """However it ends, its lock goes."""
    first, second = start(), start()
    append(open_writer(), b"1")
    assert first.claims() == 1
    first.end()
    assert second.claims() == 0
    _look(clock, second, rested=0.9)
    assert second.claims() == 1


def test_busy_processes_share(clock: _Clock, start: Start, open_writer: OpenWriter) -> None:
    """At once; and when there is little to do again, the first takes what begins."""
    first, second = start(), start()
    _look(clock, first, second, rested=0.5)
    assert 2 * first.slot[Field.BUSY] > ALONE > first.slot[Field.BUSY] == 500
    append(open_writer(), b"1")
    append(open_writer(), b"2")
    assert (second.claims(idle=False), first.claims(idle=False)) == (1, 1)
    _look(clock, first, second, rested=0.8)
    append(open_writer(), b"3")
    assert (second.claims(), first.claims(idle=False)) == (0, 1)


def test_a_little_more_or_less_to_do_changes_nothing(clock: _Clock, start: Start) -> None:
    """Between the two limits it stays as it is."""
    first, second = start(), start()
    assert ALONE_AGAIN < 2 * 350 < ALONE
    for rested, alone in ((0.65, 1), (0.5, 0), (0.65, 0), (0.8, 1), (0.65, 1)):
        _look(clock, first, second, rested=rested)
        assert first.slot[Field.ALONE] == alone


def test_a_process_that_is_alone_takes_all(
    clock: _Clock, start: Start, open_writer: OpenWriter
) -> None:
    """However busy it is, and however many there were before."""
    ended, only = start(), start()
    ended.end()
    _look(clock, only, rested=0)
    assert only.slot[Field.BUSY] == 1000
    for _ in range(3):
        append(open_writer(), b"1")
    assert only.claims(idle=False) == 3
