# SPDX-License-Identifier: GPL-2.0-or-later
"""The shared counter file: what outlives a process, and who may write where."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.causes import CAUSES, Cause
from collector.errors import JournalError
from collector.journal import counters as module
from collector.journal.counters import (
    FILE_NAME,
    MAX_SOCKETS,
    SLOTS,
    Counters,
    Field,
    NodeField,
    Role,
    add_cause,
    cause_counts,
    claim_slot,
    held,
)
from tests.fix_journal import open_descriptors

_CLAIM = """
import sys, time
from pathlib import Path
from collector.causes import Cause
from collector.journal.counters import Counters, Field, Role, add_cause, claim_slot
journal = Path(sys.argv[1])
counters = Counters(journal)
number, lock = claim_slot(counters, journal, Role.UDP, 77)
slot = counters.slot(number)
for _ in range(1000):
    slot[Field.RECEIVED] += 1
    add_cause(slot, Cause.DISK_FULL)
print(number, counters.journal_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """A fresh counter file."""
    opened = Counters(journal)
    yield opened
    opened.close()


def _start(journal: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CLAIM, str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_positions_never_move() -> None:
    """The file outlives upgrades."""
    assert {field.name: field.value for field in Field} == {
        "ROLE": 0,
        "PID": 1,
        "STARTED": 2,
        "RECEIVED": 3,
        "JOURNALED": 4,
        "JOURNALED_BYTES": 5,
        "LAST_PACKET": 6,
        "LAST_COMMIT": 7,
        "STORE_DOWN_SINCE": 8,
        "HOOK_FAULTS": 9,
        "CALLS_REFUSED": 10,
        "BUSY": 11,
        "ALONE": 12,
        "BEAT": 13,
        "PLAIN_HOP": 14,
    }
    assert {field.name: field.value for field in NodeField} == {
        "KERNEL_DROPS": 0,
        "PROCESSED": 1,
        "PAUSED_AT": 2,
        "ROTATED_AT": 3,
        "FIRST_SOCKET": 8,
    }
    assert {role.name: role.value for role in Role} == {
        "UNUSED": 0,
        "UDP": 1,
        "LISTENER": 2,
        "INGEST": 3,
        "AGENT": 4,
    }
    assert SLOTS == 64


def test_every_cause_has_a_place_of_its_own(counters: Counters) -> None:
    """None overlaps a field, another cause or the next slot."""
    slot = counters.slot(0)
    for cause in CAUSES:
        add_cause(slot, cause, cause + 1)
    assert cause_counts(slot) == {cause: cause + 1 for cause in CAUSES}
    assert [slot[field] for field in Field] == [0] * len(Field)
    assert set(counters.slot(1)) == {0}
    assert set(counters.node) == {0}
    slot.release()


def test_slots_and_the_node_do_not_overlap(journal: Path, counters: Counters) -> None:
    """Each number written is read back where it was written, by another mapping too."""
    for number in range(SLOTS):
        counters.slot(number)[0] = number + 1
        counters.slot(number)[63] = number + 101
    counters.node[0] = 1001
    counters.node[63] = 1002
    other = Counters(journal)
    for number in range(SLOTS):
        assert (other.slot(number)[0], other.slot(number)[63]) == (number + 1, number + 101)
    assert (other.node[0], other.node[63]) == (1001, 1002)
    assert other.journal_id == counters.journal_id
    other.close()


def test_counts_of_a_killed_process_remain(journal: Path, counters: Counters) -> None:
    """And its slot is free again, by whatever end."""
    process = _start(journal)
    assert process.stdout
    number, journal_id = process.stdout.readline().split()
    assert journal_id == str(counters.journal_id)
    directory = journal / f"{int(number):02d}"
    with held(directory) as is_free:
        assert not is_free
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with held(directory) as is_free:
        assert is_free
    slot = counters.slot(int(number))
    assert slot[Field.RECEIVED] == 1000
    assert cause_counts(slot) == {Cause.DISK_FULL: 1000}
    assert slot[Field.ROLE] == Role.UDP
    assert slot[Field.PID] == process.pid
    assert slot[Field.STARTED] == 77
    slot.release()


def test_processes_that_start_at_once_share_one_journal(journal: Path) -> None:
    """One identity, and a slot for each."""
    processes = [_start(journal) for _ in range(4)]
    lines = [process.stdout.readline().split() for process in processes if process.stdout]
    for process in processes:
        process.communicate("")
    assert {number for number, _ in lines} == {"0", "1", "2", "3"}
    assert len({journal_id for _, journal_id in lines}) == 1


def test_a_slot_is_given_once_and_again_when_it_is_free(journal: Path, counters: Counters) -> None:
    """The lowest free one, and the totals in it go on."""
    first, first_lock = claim_slot(counters, journal, Role.UDP, 1)
    second, second_lock = claim_slot(counters, journal, Role.LISTENER, 2)
    assert (first, second) == (0, 1)
    counters.slot(0)[Field.RECEIVED] = 5
    os.close(first_lock)
    again, again_lock = claim_slot(counters, journal, Role.LISTENER, 3)
    assert again == 0
    assert counters.slot(0)[Field.RECEIVED] == 5
    assert counters.slot(0)[Field.ROLE] == Role.LISTENER
    assert counters.slot(0)[Field.PID] == os.getpid()
    assert counters.used_slots() == [0, 1]
    os.close(second_lock)
    os.close(again_lock)


def test_ingest_takes_slots_from_the_end_and_none_with_segments(
    journal: Path, counters: Counters
) -> None:
    """Its lock on a slot with segments would say that their writer lives."""
    (journal / "63").mkdir(parents=True)
    (journal / "63" / "left-behind").touch()
    number, lock = claim_slot(counters, journal, Role.INGEST, 1)
    assert number == 62
    assert counters.used_slots() == [62]
    os.close(lock)


def test_all_slots_taken_is_an_error_that_says_so(journal: Path, counters: Counters) -> None:
    """More processes than slots is a mistake in the settings."""
    locks = [claim_slot(counters, journal, Role.UDP, 1)[1] for _ in range(SLOTS)]
    for role in (Role.UDP, Role.INGEST):
        with pytest.raises(JournalError, match="all 64 slots"):
            claim_slot(counters, journal, role, 1)
    for lock in locks:
        os.close(lock)


def test_a_slot_that_cannot_be_made_is_a_journal_error(journal: Path, counters: Counters) -> None:
    """Not an OSError, which the caller does not expect."""
    (journal / "00").touch()
    with pytest.raises(JournalError, match=r"journal\.directory"):
        claim_slot(counters, journal, Role.UDP, 1)


def test_a_slot_without_directory_is_held_by_nobody(journal: Path) -> None:
    """It was never used."""
    with held(journal / "00") as is_free:
        assert is_free


def test_the_directory_is_made(tmp_path: Path) -> None:
    """With its parents, closed to others: it holds calls."""
    Counters(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / FILE_NAME).exists()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o007 == 0


def test_a_journal_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """With the name of the setting."""
    (tmp_path / "journal").touch()
    with pytest.raises(JournalError, match=r"journal\.directory"):
        Counters(tmp_path / "journal")


@pytest.mark.parametrize("size", [0, 64, 100_000])
def test_a_counter_file_of_another_size_is_refused(journal: Path, size: int) -> None:
    """A file of another version, or one that was cut."""
    journal.mkdir()
    (journal / FILE_NAME).write_bytes(bytes(size))
    with pytest.raises(JournalError, match="wrong size"):
        Counters(journal)


@pytest.mark.parametrize("place", [0, 7, 8])
def test_a_counter_file_of_another_version_is_refused(journal: Path, place: int) -> None:
    """Magic and version are checked, and no descriptor is left open by the refusal."""
    Counters(journal).close()
    path = journal / FILE_NAME
    data = bytearray(path.read_bytes())
    data[place] ^= 2
    path.write_bytes(data)
    before = open_descriptors()
    with pytest.raises(JournalError, match="not a counter file"):
        Counters(journal)
    assert open_descriptors() == before


def test_there_is_room_for_the_sockets_of_the_kernel_counter(counters: Counters) -> None:
    """Two numbers each, within the node's block."""
    last = NodeField.FIRST_SOCKET + 2 * (MAX_SOCKETS - 1) + 1
    assert last < module._FIELDS
    assert MAX_SOCKETS >= 16
    counters.node[last] = 1
    assert set(counters.slot(0)) == {0}
