# SPDX-License-Identifier: GPL-2.0-or-later
"""Appending: nothing raises, nothing is torn, and every packet is journaled or counted."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.causes import Cause
from collector.errors import JournalError
from collector.journal import record, segment
from collector.journal import writer as module
from collector.journal.counters import Counters, Field, Role, cause_counts
from collector.journal.segment import Segment
from collector.journal.writer import RETRY_NS, Writer, journal_bytes, reconcile
from tests.fix_journal import (
    PEER,
    Clock,
    OpenWriter,
    append,
    kill,
    open_descriptors,
    packets_of,
    records_in,
)
from tests.fix_mounts import Mount

PACKET = b"p" * 1000
RECORD = len(PACKET) + record.HEADER_BYTES
SMALL = {"segment_bytes": 3 * RECORD}
"""Three records and the header make a segment."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The writer's clock."""
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def _counts(writer: Writer) -> tuple[int, int, dict[Cause, int]]:
    slot = writer._count
    return slot[Field.RECEIVED], slot[Field.JOURNALED], cause_counts(slot)


def _names(journal: Path, slot: int = 0) -> list[int]:
    return [found.first_record for found in segment.in_slot(journal / f"{slot:02d}")]


def _pwrite(*results: int | OSError) -> Callable[[int, bytes, int], int]:
    """An os.pwrite that writes so many bytes, or fails, call by call; then as ever."""
    real = os.pwrite
    left = list(results)

    def pwrite(file: int, data: bytes, offset: int) -> int:
        if not left:
            return real(file, data, offset)
        result = left.pop(0)
        if isinstance(result, OSError):
            raise result
        return real(file, data[:result], offset)

    return pwrite


def test_what_is_appended_is_on_file_at_once(open_writer: OpenWriter, journal: Path) -> None:
    """With peer, port, transport and time of arrival, in order."""
    writer = open_writer()
    before = _counts(writer)
    for number in range(5):
        assert writer.append(b"%d" % number, PEER, 1000 + number, 1) is None
    found = records_in(segment.in_slot(journal / "00")[0].path)
    assert [one.packet for one in found] == [b"0", b"1", b"2", b"3", b"4"]
    assert [one.port for one in found] == [1000, 1001, 1002, 1003, 1004]
    assert {one.peer for one in found} == {PEER}
    assert {one.transport for one in found} == {1}
    assert sorted({one.id for one in found}) == [one.id for one in found]
    assert before == (0, 0, {})
    assert _counts(writer) == (5, 5, {})
    assert writer._count[Field.JOURNALED_BYTES] == 5 * (record.HEADER_BYTES + 1)


def test_the_id_is_the_time_of_arrival(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """So is the time of the last packet."""
    writer = open_writer()
    append(writer, PACKET)
    (only,) = records_in(segment.in_slot(journal / "00")[0].path)
    assert only.id // 64 == clock.now_ns // 64
    assert only.id % 64 == writer.slot
    assert writer._count[Field.LAST_PACKET] == clock.now_ns


def test_a_segment_ends_at_its_size(open_writer: OpenWriter, journal: Path) -> None:
    """The name of each says how many records came before."""
    append(open_writer(**SMALL), *[b"%04d" % n + PACKET[4:] for n in range(8)])
    assert _names(journal) == [0, 3, 6]
    assert packets_of(journal) == [b"%04d" % n + PACKET[4:] for n in range(8)]


def test_a_packet_longer_than_a_segment_is_taken_whole(
    open_writer: OpenWriter, journal: Path
) -> None:
    """The limit is where a segment ends, not what fits."""
    append(open_writer(**SMALL), bytes(65_507), b"next")
    assert packets_of(journal) == [bytes(65_507), b"next"]
    assert _names(journal) == [0, 1]


def test_a_segment_ends_at_its_age(clock: Clock, open_writer: OpenWriter, journal: Path) -> None:
    """At the next packet, so a silent node makes no files."""
    writer = open_writer(segment_seconds=60)
    append(writer, b"1")
    clock.add(59.9)
    append(writer, b"2")
    assert _names(journal) == [0]
    clock.add(0.1)
    assert _names(journal) == [0]
    append(writer, b"3")
    assert _names(journal) == [0, 2]
    clock.add(3600)
    append(writer, b"4")
    assert _names(journal) == [0, 2, 3]


@pytest.mark.parametrize("end", [Writer.close, kill])
def test_a_new_writer_goes_on_where_the_last_one_ended(
    open_writer: OpenWriter, journal: Path, end: Callable[[Writer], None]
) -> None:
    """In a segment of its own, however the last one ended: what it left may be torn."""
    for number in range(3):
        writer = open_writer()
        assert writer.slot == 0
        append(writer, b"%d" % number, b"%d+" % number)
        end(writer)
    assert _names(journal) == [0, 2, 4]
    assert packets_of(journal) == [b"0", b"0+", b"1", b"1+", b"2", b"2+"]


def test_a_segment_that_has_ended_says_so(open_writer: OpenWriter, journal: Path) -> None:
    """The one that grows has no number of records yet; at an orderly end it gets one, too."""
    writer = open_writer(**SMALL)
    append(writer, *[PACKET] * 5)
    assert [found.records for found in segment.in_slot(journal / "00")] == [3, None]
    writer.close()
    assert [found.records for found in segment.in_slot(journal / "00")] == [3, 2]


def test_a_killed_writer_leaves_its_segment_open(open_writer: OpenWriter, journal: Path) -> None:
    """The next writer of the slot ends it."""
    writer = open_writer(**SMALL)
    append(writer, *[PACKET] * 5)
    kill(writer)
    assert [found.records for found in segment.in_slot(journal / "00")] == [3, None]
    open_writer()
    assert [found.records for found in segment.in_slot(journal / "00")] == [3, 2, None]


def test_writers_at_once_have_slots_of_their_own(open_writer: OpenWriter, journal: Path) -> None:
    """Each its own directory."""
    writers = [open_writer() for _ in range(3)]
    for number, writer in enumerate(writers):
        append(writer, b"%d" % number)
    assert [packets_of(journal, slot) for slot in range(3)] == [[b"0"], [b"1"], [b"2"]]


@pytest.mark.parametrize("back", [1e-9, 1, 3600, 30 * 86_400])
def test_a_clock_set_back_leaves_the_order_of_segments(
    clock: Clock, open_writer: OpenWriter, journal: Path, back: float
) -> None:
    """Readers take the next segment for the end of this one, even if both are empty so far."""
    order: list[Segment] = []
    for _ in range(4):
        open_writer().close()
        known = {found.uid for found in order}
        (new,) = [one for one in segment.in_slot(journal / "00") if one.uid not in known]
        order.append(new)
        clock.add(-back)
    assert segment.in_slot(journal / "00") == order
    assert sorted(order, key=lambda found: found.uid) == order


def test_ids_grow_though_the_clock_is_set_back(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """Rows are paged by them."""
    writer = open_writer()
    for _ in range(5):
        append(writer, PACKET)
        clock.add(-100)
    found = [one.id for one in records_in(segment.in_slot(journal / "00")[0].path)]
    assert sorted(set(found)) == found


def test_a_full_journal_drops_the_newest_and_counts_it(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """What is there stays whole; room that a reader makes is used after a short while."""
    writer = open_writer(**SMALL, max_bytes=8 * RECORD)
    append(writer, *[PACKET] * 6)
    assert writer.append(PACKET, PEER, 1, 0) is Cause.JOURNAL_FULL
    assert "journal.max_bytes is 8320" in writer.last_error
    assert packets_of(journal) == [PACKET] * 6
    assert _counts(writer) == (7, 6, {Cause.JOURNAL_FULL: 1})

    segment.in_slot(journal / "00")[0].path.unlink()
    assert writer.append(PACKET, PEER, 1, 0) is Cause.JOURNAL_FULL, "not looked at every packet"
    clock.now_ns += RETRY_NS
    append(writer, PACKET)
    assert _counts(writer) == (9, 7, {Cause.JOURNAL_FULL: 2})


def test_room_is_looked_for_again_though_the_clock_is_set_back(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """Otherwise packets would be dropped until the old time comes again."""
    writer = open_writer(**SMALL, max_bytes=8 * RECORD)
    append(writer, *[PACKET] * 6)
    assert writer.append(PACKET, PEER, 1, 0) is Cause.JOURNAL_FULL
    segment.in_slot(journal / "00")[0].path.unlink()
    clock.add(-3600)
    append(writer, PACKET)


def test_an_old_segment_with_room_is_used_when_there_is_none_for_another(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """Age alone is no reason to drop packets."""
    writer = open_writer(segment_bytes=4 * RECORD, max_bytes=4 * RECORD + 64, segment_seconds=60)
    append(writer, PACKET)
    clock.add(61)
    append(writer, PACKET, PACKET)
    assert _names(journal) == [0]
    append(writer, PACKET)
    assert writer.append(PACKET, PEER, 1, 0) is Cause.JOURNAL_FULL


def test_a_disk_that_is_nearly_full_is_left_alone(open_writer: OpenWriter, journal: Path) -> None:
    """The limit protects whatever else lives on the file system."""
    writer = open_writer(min_free_bytes=1 << 60)
    assert writer.append(PACKET, PEER, 1, 0) is Cause.DISK_FULL
    assert "journal.min_free_bytes" in writer.last_error
    assert packets_of(journal) == []
    assert _counts(writer) == (1, 0, {Cause.DISK_FULL: 1})


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENOSPC, Cause.DISK_FULL),
        (errno.EDQUOT, Cause.DISK_FULL),
        (errno.EIO, Cause.JOURNAL_WRITE),
        (errno.EFBIG, Cause.JOURNAL_WRITE),
    ],
)
@pytest.mark.parametrize("written", [None, 1, 39, 40, 500, RECORD - 1])
def test_a_failed_write_leaves_no_trace(
    open_writer: OpenWriter,
    journal: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    cause: Cause,
    written: int | None,
) -> None:
    """Whether nothing was written or a part: the next packet stands where this one should."""
    writer = open_writer()
    append(writer, b"before")
    error = OSError(number, os.strerror(number))
    monkeypatch.setattr(os, "pwrite", _pwrite(*([] if written is None else [written]), error))
    assert writer.append(PACKET, PEER, 1, 0) is cause
    assert os.strerror(number) in writer.last_error
    assert packets_of(journal) == [b"before"]
    append(writer, b"x")
    assert packets_of(journal) == [b"before", b"x"]
    assert _counts(writer) == (3, 2, {cause: 1})


def test_a_short_write_is_completed(
    open_writer: OpenWriter, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal can cut a write; the rest follows."""
    writer = open_writer()
    monkeypatch.setattr(os, "pwrite", _pwrite(100))
    append(writer, PACKET)
    assert packets_of(journal) == [PACKET]


def test_a_write_that_stays_short_counts_as_no_room(
    open_writer: OpenWriter, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not be taken for a record, whatever the file system says."""
    writer = open_writer()
    monkeypatch.setattr(os, "pwrite", _pwrite(100, 200))
    assert writer.append(PACKET, PEER, 1, 0) is Cause.DISK_FULL
    append(writer, b"x")
    assert packets_of(journal) == [b"x"]
    assert _counts(writer) == (2, 1, {Cause.DISK_FULL: 1})


def test_a_failed_rename_leaves_no_descriptor_open(
    clock: Clock, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried ten times a second for as long as it lasts."""
    writer = open_writer(**SMALL)
    append(writer, *[PACKET] * 3)

    def rename(_path: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        before = open_descriptors()
        for _ in range(10):
            assert writer.append(PACKET, PEER, 1, 0) is Cause.DISK_FULL
            clock.now_ns += RETRY_NS
        assert open_descriptors() == before
    append(writer, PACKET)


def test_a_directory_that_vanishes_is_counted(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """Nothing raises on the packet path, and it works again when the directory is back."""
    writer = open_writer(**SMALL)
    append(writer, *[PACKET] * 3)
    journal.rename(journal.with_name("moved"))
    assert writer.append(PACKET, PEER, 1, 0) is Cause.JOURNAL_WRITE
    journal.with_name("moved").rename(journal)
    clock.now_ns += RETRY_NS
    append(writer, PACKET)
    assert packets_of(journal) == [PACKET] * 4


def test_offered_packets_are_journaled_in_order_across_segments(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """As if each had been appended: a segment ends where it would have ended, ids grow."""
    writer = open_writer(**SMALL)
    packets = [b"%04d" % number + PACKET[4:] for number in range(8)]
    assert writer.offer(packets, PEER, 9060, 1) == 8
    assert writer.offer([], PEER, 9060, 1) == 0
    assert packets_of(journal) == packets
    assert _names(journal) == [0, 3, 6]
    assert _counts(writer) == (8, 8, {})
    assert writer._count[Field.JOURNALED_BYTES] == 8 * RECORD
    assert writer._count[Field.LAST_PACKET] == clock.now_ns
    append(writer, b"one by one")
    found = [one for item in segment.in_slot(journal / "00") for one in records_in(item.path)]
    assert len({one.id for one in found}) == 9
    assert sorted(one.id for one in found) == [one.id for one in found]
    assert {(one.peer, one.port) for one in found} == {(PEER, 9060)}


def test_an_offer_that_finds_no_room_is_not_counted(
    clock: Clock, open_writer: OpenWriter, journal: Path
) -> None:
    """The sender waits, and the same packets come again."""
    writer = open_writer(**SMALL, max_bytes=5 * RECORD)
    assert writer.offer([PACKET, PACKET, PACKET, b"again"], PEER, 1, 1) == 3
    assert writer.offer([b"again"], PEER, 1, 1) == 0
    assert "journal.max_bytes" in writer.last_error
    assert _counts(writer) == (3, 3, {})
    segment.in_slot(journal / "00")[0].path.unlink()
    clock.now_ns += RETRY_NS
    assert writer.offer([b"again"], PEER, 1, 1) == 1
    assert _counts(writer) == (4, 4, {})
    assert packets_of(journal) == [b"again"]


@pytest.mark.parametrize("written", [0, 1, RECORD - 1, RECORD, RECORD + 1, 2 * RECORD, 3 * RECORD])
@pytest.mark.parametrize("then", [0, 1, errno.ENOSPC, errno.EIO])
def test_of_an_offer_that_is_cut_off_the_whole_records_stay(
    monkeypatch: pytest.MonkeyPatch,
    open_writer: OpenWriter,
    journal: Path,
    written: int,
    then: int,
) -> None:
    """A reader may have seen them already; the others are neither there nor counted."""
    packets = [b"%04d" % number + PACKET[4:] for number in range(4)]
    writer = open_writer()
    second = OSError(then, "no") if then > 1 else then
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", _pwrite(written, second))
        taken = writer.offer(packets, PEER, 1, 1)
    # After a whole record it tries again, and here there is room again.
    whole = (written + (then if then <= 1 else 0)) // RECORD
    assert taken == (4 if whole else 0)
    assert packets_of(journal) == packets[:taken]
    assert _counts(writer) == (taken, taken, {})
    assert writer.offer(packets[taken:], PEER, 1, 1) == 4 - taken
    assert packets_of(journal) == packets
    assert _counts(writer) == (4, 4, {})


def test_a_drop_is_received_and_counted(open_writer: OpenWriter) -> None:
    """For what never comes as far as the journal."""
    writer = open_writer()
    writer.drop(Cause.UNREADABLE)
    writer.drop(Cause.UNREADABLE)
    assert _counts(writer) == (2, 0, {Cause.UNREADABLE: 2})


def test_an_unusable_journal_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Then, and only then, is the caller told by an exception."""
    (tmp_path / "journal").touch()
    with pytest.raises(JournalError, match=r"journal\.directory"):
        Writer(
            tmp_path / "journal",
            Role.UDP,
            segment_bytes=1,
            segment_seconds=1,
            max_bytes=1,
            min_free_bytes=0,
        )


def test_journal_bytes_are_those_of_the_segments(open_writer: OpenWriter, journal: Path) -> None:
    """Of all slots; other files do not count."""
    append(open_writer(), PACKET, PACKET)
    append(open_writer(), PACKET)
    (journal / "00" / "notes").write_bytes(bytes(9999))
    assert journal_bytes(journal) == 2 * segment.HEADER_BYTES + 3 * RECORD


@pytest.fixture
def dead(open_writer: OpenWriter, journal: Path) -> Iterator[tuple[Counters, Path]]:
    """The counters and directory of a slot whose writer was killed after three packets."""
    writer = open_writer()
    append(writer, b"1", b"2", b"3")
    kill(writer)
    counters = Counters(journal)
    yield counters, journal / "00"
    counters.close()


def _state(counters: Counters) -> tuple[int, int, dict[Cause, int]]:
    slot = counters.slot(0)
    return slot[Field.RECEIVED], slot[Field.JOURNALED], cause_counts(slot)


def _add_to_file(directory: Path, data: bytes) -> None:
    with segment.in_slot(directory)[-1].path.open("ab") as file:
        file.write(data)


def test_true_counts_are_left_alone(dead: tuple[Counters, Path]) -> None:
    """Reconciling is harmless, also many times."""
    counters, directory = dead
    for _ in range(3):
        reconcile(counters, 0, directory)
        assert _state(counters) == (3, 3, {})


def test_a_packet_in_the_hands_of_a_killed_worker_is_counted(dead: tuple[Counters, Path]) -> None:
    """It was received and neither journaled nor dropped."""
    counters, directory = dead
    counters.slot(0)[Field.RECEIVED] += 1
    reconcile(counters, 0, directory)
    assert _state(counters) == (4, 3, {Cause.WORKER_KILLED: 1})
    reconcile(counters, 0, directory)
    assert _state(counters) == (4, 3, {Cause.WORKER_KILLED: 1})


def test_a_torn_record_of_a_killed_worker_is_no_record(dead: tuple[Counters, Path]) -> None:
    """Killed in the middle of the write."""
    counters, directory = dead
    counters.slot(0)[Field.RECEIVED] += 1
    _add_to_file(directory, record.pack(64, PEER, 1, 0, PACKET)[:-1])
    reconcile(counters, 0, directory)
    assert _state(counters) == (4, 3, {Cause.WORKER_KILLED: 1})


def test_a_record_written_and_not_counted_counts(dead: tuple[Counters, Path]) -> None:
    """Killed between the write and its count: readers will find it."""
    counters, directory = dead
    counters.slot(0)[Field.RECEIVED] += 1
    _add_to_file(directory, record.pack(64, PEER, 1, 0, PACKET))
    reconcile(counters, 0, directory)
    assert _state(counters) == (4, 4, {})


@pytest.mark.parametrize("end", [Writer.close, kill])
def test_numbers_are_not_used_twice_after_a_power_cut(
    open_writer: OpenWriter, journal: Path, end: Callable[[Writer], None]
) -> None:
    """It may have lost the newest counts and kept the newest segment."""
    writer = open_writer()
    append(writer, b"1", b"2", b"3")
    end(writer)
    counters = Counters(journal)
    counters.slot(0)[Field.JOURNALED] = counters.slot(0)[Field.RECEIVED] = 1
    counters.close()
    append(open_writer(), b"4")
    assert _names(journal) == [0, 3]
    assert packets_of(journal) == [b"1", b"2", b"3", b"4"]


def test_a_count_is_not_taken_back_for_damage(dead: tuple[Counters, Path]) -> None:
    """A journaled packet that cannot be read any more is missed by the reader, who counts it."""
    counters, directory = dead
    path = segment.in_slot(directory)[-1].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    reconcile(counters, 0, directory)
    assert _state(counters) == (3, 3, {})


def test_received_is_never_less_than_what_became_of_it(dead: tuple[Counters, Path]) -> None:
    """A power cut may have lost the newer page of the two."""
    counters, directory = dead
    counters.slot(0)[Field.RECEIVED] = 1
    reconcile(counters, 0, directory)
    assert _state(counters) == (3, 3, {})


def test_a_slot_without_segments_is_reconciled_too(dead: tuple[Counters, Path]) -> None:
    """Readers may have finished them all."""
    counters, directory = dead
    segment.in_slot(directory)[0].path.unlink()
    counters.slot(0)[Field.RECEIVED] += 2
    reconcile(counters, 0, directory)
    assert _state(counters) == (5, 3, {Cause.WORKER_KILLED: 2})


_LIMITED = """
import resource, sys
from pathlib import Path
from collector.journal.counters import Role
from collector.journal.writer import Writer
writer = Writer(Path(sys.argv[1]), Role.UDP, segment_bytes=1 << 20, segment_seconds=60,
                max_bytes=1 << 30, min_free_bytes=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
causes = [writer.append(b"p" * 1000, bytes(16), 1, 0) for _ in range(200)]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
print([cause and cause.label for cause in causes].index("journal_write"), set(causes[96:]))
"""


def test_a_real_short_write_leaves_no_torn_record(journal: Path) -> None:
    """The kernel writes up to the limit and then refuses: the file ends with a whole record."""
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(journal)], capture_output=True, text=True, check=True
    )
    written = int(done.stdout.split()[0])
    assert written == (100_000 - segment.HEADER_BYTES) // RECORD
    assert packets_of(journal) == [PACKET] * written


def test_a_real_full_disk_is_survived(mount: Mount, journal: Path, open_writer: OpenWriter) -> None:
    """On a file system of 256 KiB: counted while it is full, appended again when it is not."""
    journal.mkdir()
    mount(journal, "-t", "tmpfs", "-o", "size=256k", "tmpfs")
    writer = open_writer()
    causes = [writer.append(PACKET, PEER, 1, 0) for _ in range(400)]
    taken = causes.count(None)
    assert 100 < taken < 256
    assert set(causes[taken:]) == {Cause.DISK_FULL}
    assert packets_of(journal) == [PACKET] * taken
    writer.close()
    reconciled = open_writer()
    assert _counts(reconciled) == (400, taken, {Cause.DISK_FULL: 400 - taken})
    segment.in_slot(journal / "00")[0].path.unlink()
    reconciled._retry_at_ns = 0
    append(reconciled, PACKET)
    reconciled.close()
