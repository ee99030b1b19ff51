# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading linked segments: order, cuts, damage, and a disk without room for progress."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.journal import links, record
from collector.journal.counters import Counters, Role, claim_slot
from collector.journal.writer import Writer
from collector.output import state as state_file
from collector.output.backlog import READ_BYTES, Backlog
from collector.output.fate import Fate
from tests.fix_journal import PEER, OpenWriter, append, kill, open_descriptors

PACKET = b"p" * 1000
RECORD = len(PACKET) + record.HEADER_BYTES
SMALL = {"segment_bytes": 3 * RECORD, "outputs": {"a": 1 << 30}}


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """Of the journal."""
    opened = Counters(journal)
    yield opened
    opened.close()


@pytest.fixture
def backlog(journal: Path, counters: Counters) -> Iterator[Backlog]:
    """Of the output ``a``."""
    opened = Backlog(journal, "a", counters)
    yield opened
    opened.close()


def _deliver(backlog: Backlog) -> list[bytes]:
    """Everything there is."""
    packets: list[bytes] = []
    while (portion := backlog.read()) is not None:
        packets += [found.packet for found in portion.records]
        backlog.commit(portion, {Fate.DELIVERED: len(portion.records)})
    return packets


def test_records_of_all_slots_come_in_order_of_arrival(
    backlog: Backlog, open_writer: OpenWriter
) -> None:
    """Also when one slot has far more than is read at once."""
    writers = [open_writer(segment_bytes=1 << 20, outputs={"a": 1 << 30}) for _ in range(3)]
    expected = []
    for number in range(3000):
        packet = b"%06d" % number + PACKET
        append(writers[0 if number % 10 else number // 10 % 3], packet)
        expected.append(packet)
    assert len(expected) * RECORD > 5 * READ_BYTES
    assert _deliver(backlog) == expected


def test_what_arrives_is_seen_at_once_and_a_finished_link_goes(
    backlog: Backlog, open_writer: OpenWriter, journal: Path
) -> None:
    """With the next writing of the state, not before it."""
    writer = open_writer(**SMALL)
    assert _deliver(backlog) == []
    append(writer, *[PACKET] * 2)
    assert len(_deliver(backlog)) == 2
    append(writer, *[PACKET] * 5)
    assert len(_deliver(backlog)) == 5
    assert len(links.linked(journal, "a")) == 3
    backlog.save()
    assert len(links.linked(journal, "a")) == 1


def test_a_segment_that_is_cut_while_it_is_read_counts_as_dropped(
    backlog: Backlog, open_writer: OpenWriter, journal: Path
) -> None:
    """What was read of it is delivered, the rest is in the numbers."""
    writer = open_writer(segment_bytes=400 * RECORD, outputs={"a": 1 << 30})
    append(writer, *[PACKET] * 1000)
    portion = backlog.read()
    assert portion
    first = len(portion.records)
    assert 0 < first < 400
    for link in links.linked(journal, "a")[:2]:
        link.segment.path.unlink()
    backlog.commit(portion, {Fate.DELIVERED: first})
    assert len(_deliver(backlog)) == 200
    assert backlog.state.fates == {Fate.DELIVERED: first + 200, Fate.BACKLOG: 800 - first}


def test_a_reader_holds_no_more_files_than_slots(backlog: Backlog, open_writer: OpenWriter) -> None:
    """Else segments that were cut would keep their room on the disk."""
    writer = open_writer(**SMALL)
    before = open_descriptors()
    append(writer, *[PACKET] * 300)
    _deliver(backlog)
    backlog.save()
    assert open_descriptors() <= before + 1


def test_ingest_in_the_slot_of_a_writer_that_is_gone(
    backlog: Backlog, open_writer: OpenWriter, journal: Path, counters: Counters
) -> None:
    """Its lock does not mean that the last segment still grows."""
    writer = open_writer(**SMALL)
    append(writer, *[PACKET] * 4)
    kill(writer)
    for path in (journal / "00").glob("*.seg"):
        path.unlink()
    for path in (journal / "00").glob("*.end"):
        path.unlink()
    locks = []
    while True:
        number, lock = claim_slot(counters, journal, Role.INGEST, 0)
        locks.append(lock)
        if number == 0:
            break
    assert len(_deliver(backlog)) == 4
    backlog.save()
    assert links.linked(journal, "a") == []
    assert len(locks) == 64


def test_progress_that_cannot_be_written_does_not_keep_the_disk_full(
    backlog: Backlog, open_writer: OpenWriter, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links go all the same; it may be their room that is lacking."""
    append(open_writer(**SMALL), *[PACKET] * 10)
    _deliver(backlog)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(state_file, "save", refuse)
        with pytest.raises(OSError, match="No space"):
            backlog.save()
    assert len(links.linked(journal, "a")) == 1
    backlog.save()
    loaded = state_file.load(backlog.directory)
    assert loaded
    assert loaded.fates == {Fate.DELIVERED: 10}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"slots": {"x": 1}}', b"\xff"])
def test_a_state_that_cannot_be_read_begins_with_the_oldest(
    backlog: Backlog, open_writer: OpenWriter, journal: Path, counters: Counters, text: bytes
) -> None:
    """After a power cut, say: twice is better than never."""
    append(open_writer(**SMALL), *[PACKET] * 10)
    assert len(_deliver(backlog)) == 10
    backlog.save()
    (backlog.directory / state_file.FILE_NAME).write_bytes(text)
    again = Backlog(journal, "a", counters)
    assert len(_deliver(again)) == 1, "the segment that still grows"
    assert again.state.fates == {Fate.DELIVERED: 1, Fate.BACKLOG: 9}
    again.close()


def test_a_journal_that_was_made_anew_is_read_from_its_first_record(
    backlog: Backlog, open_writer: OpenWriter, journal: Path
) -> None:
    """Numbers begin again; nothing is missing for that."""
    writer = open_writer(**SMALL)
    append(writer, *[PACKET] * 10)
    _deliver(backlog)
    backlog.save()
    writer.close()
    (journal / "counters").unlink()
    renewed = Writer(
        journal,
        Role.UDP,
        segment_seconds=3600,
        max_bytes=1 << 30,
        min_free_bytes=0,
        **SMALL,  # type: ignore[arg-type]
    )
    append(renewed, *[PACKET] * 5)
    assert len(_deliver(backlog)) == 5
    assert backlog.state.fates == {Fate.DELIVERED: 15}
    renewed.close()


def test_a_record_from_another_process_in_the_middle_of_its_write(
    backlog: Backlog, open_writer: OpenWriter
) -> None:
    """It is not there yet; then it is."""
    writer = open_writer(**SMALL)
    append(writer, b"before")
    data = record.pack(64, PEER, 1, 0, b"half")
    os.pwrite(writer._file, data[:20], writer._offset)
    assert _deliver(backlog) == [b"before"]
    os.pwrite(writer._file, data, writer._offset)
    assert _deliver(backlog) == [b"half"]
