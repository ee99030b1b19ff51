# SPDX-License-Identifier: GPL-2.0-or-later
"""The arithmetic of the balance; with a database it is tested in test_ingest and test_keeper."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import balance
from collector.balance import Balance, read_received
from collector.causes import Cause, Outcome
from collector.journal.counters import Counters, Field, NodeField, Role, add_cause
from collector.journal.segment import Segment

_BUSY = """
import sys
from pathlib import Path
from collector.causes import Cause
from collector.journal.counters import Role
from collector.journal.writer import Writer
writer = Writer(Path(sys.argv[1]), Role.UDP, segment_bytes=1 << 20, segment_seconds=3600,
                max_bytes=1 << 34, min_free_bytes=0)
print("ready", flush=True)
while True:
    writer.append(b"x", bytes(16), 1, 0)
    writer.drop(Cause.UNREADABLE)
"""


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """The counters of the test's journal."""
    opened = Counters(journal)
    yield opened
    opened.close()


def test_causes_are_summed_by_outcome() -> None:
    """Each column of the sheet."""
    sheet = Balance(
        *(100, 20, 70),
        {
            Cause.STORED: 60,
            Cause.KEEPALIVE: 4,
            Cause.NOT_HEP: 5,
            Cause.PASSWORD: 1,
            Cause.KERNEL: 9,
        },
    )
    sums = {outcome.value: sheet.outcome(outcome) for outcome in Outcome}
    assert sums == {"stored": 60, "filtered": 4, "duplicate": 0, "rejected": 6, "dropped": 9}
    assert sheet.unaccounted == 100 - 20 - 79


def test_nothing_received_is_nothing() -> None:
    """A fresh node."""
    assert Balance(0, 0, 0, {}).unaccounted == 0


def test_all_slots_and_the_kernel_are_read(counters: Counters) -> None:
    """Also those of processes that have ended."""
    for number, journaled in ((0, 10), (5, 7), (63, 0)):
        slot = counters.slot(number)
        slot[Field.ROLE] = Role.UDP
        slot[Field.RECEIVED] = journaled + number
        slot[Field.JOURNALED] = journaled
        add_cause(slot, Cause.DISK_FULL, number)
        slot.release()
    counters.node[NodeField.KERNEL_DROPS] = 1000
    found = read_received(counters)
    assert found.received == 10 + 7 + 5 + 63 + 1000
    assert found.journaled == {0: 10, 5: 7, 63: 0}
    assert {cause: count for cause, count in found.causes.items() if count} == {
        Cause.DISK_FULL: 68,
        Cause.KERNEL: 1000,
    }


def test_a_slot_that_stays_out_of_step_does_not_hold_up_the_reader(counters: Counters) -> None:
    """A process was killed with a packet in its hands; it is seen as unaccounted for a while."""
    slot = counters.slot(3)
    slot[Field.ROLE], slot[Field.RECEIVED], slot[Field.JOURNALED] = Role.UDP, 8, 7
    slot.release()
    found = read_received(counters)
    assert (found.received, found.journaled) == (8, {3: 7})


def test_no_packet_is_caught_between_two_counts(journal: Path, counters: Counters) -> None:
    """Read while a process receives as fast as it can."""
    process = subprocess.Popen([sys.executable, "-c", _BUSY, str(journal)], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        last = 0
        for _ in range(500):
            found = read_received(counters)
            assert found.received == found.journaled[0] + sum(found.causes.values())
            assert found.received >= last
            last = found.received
        assert last > 500
    finally:
        process.kill()
        process.communicate()


def _segment(age: int, records: int | None) -> Segment:
    return Segment(Path("x"), 0, 0, uuid.UUID(int=age), records)


def test_the_oldest_segment_that_waits() -> None:
    """One that may grow counts as waiting; one whose records are all committed does not."""
    old, middle, growing = _segment(1, 5), _segment(2, 7), _segment(3, None)
    segments = [growing, old, middle]
    assert balance._oldest_waiting(segments, {}) is old
    assert balance._oldest_waiting(segments, {old.uid: (0, 0, 4)}) is old
    assert balance._oldest_waiting(segments, {old.uid: (0, 0, 5)}) is middle
    done: dict[object, tuple[int, int, int]] = {}
    done |= {old.uid: (0, 0, 5), middle.uid: (0, 0, 7), growing.uid: (0, 0, 100)}
    assert balance._oldest_waiting(segments, done) is growing
    assert balance._oldest_waiting([], {}) is None
