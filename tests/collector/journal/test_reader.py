# SPDX-License-Identifier: GPL-2.0-or-later
"""Claiming and reading segments: whole, once, and past damage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.journal import record, segment
from collector.journal.counters import Counters, Field
from collector.journal.reader import MAX_DAMAGED_KEPT, MIN_READ_BYTES, Claim, Reader
from collector.journal.segment import HEADER_BYTES
from tests.fix_journal import PEER, OpenWriter, append, kill, open_descriptors

PACKET = b"p" * 1000
RECORD = len(PACKET) + record.HEADER_BYTES
SMALL = {"segment_bytes": 3 * RECORD}


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """The journal's counters, as a reading process has them."""
    opened = Counters(journal)
    yield opened
    opened.close()


@pytest.fixture
def reader(journal: Path, counters: Counters) -> Iterator[Reader]:
    """One reading process."""
    made = Reader(journal, counters)
    yield made
    made.close()


def _packets(data: bytes) -> list[bytes]:
    """The records at the beginning of what a claim has read."""
    found = []
    offset = 0
    while (one := record.unpack(data, offset)) is not None:
        found.append(one.packet)
        offset = one.end
    return found


def _claim(reader: Reader) -> Claim:
    claim = reader.claim_next()
    assert claim is not None
    return claim


def _ended(reader: Reader) -> Claim:
    """The next segment, whose writer is gone or has gone on."""
    claim = _claim(reader)
    reader.refresh(claim)
    assert claim.segment.records is not None
    return claim


def _count(reader: Reader, claim: Claim) -> int | None:
    """Records of the segment, if they are known by now."""
    reader.refresh(claim)
    return claim.segment.records


def _first_records(claims: list[Claim]) -> list[tuple[int, int]]:
    return [(claim.segment.slot, claim.segment.first_record) for claim in claims]


def test_an_empty_journal_has_nothing_to_claim(reader: Reader) -> None:
    """Nor has one with empty slots."""
    assert reader.claim_next() is None


def test_segments_are_claimed_oldest_first(reader: Reader, open_writer: OpenWriter) -> None:
    """Over all slots, by age."""
    first, second = open_writer(**SMALL), open_writer(**SMALL)
    for writer in (first, second, first):
        append(writer, *[PACKET] * 3)
    append(first, PACKET)
    claims = [_claim(reader) for _ in range(4)]
    assert _first_records(claims) == [(0, 0), (1, 0), (0, 3), (0, 6)]
    assert reader.claim_next() is None


def test_a_segment_is_claimed_once(
    journal: Path, counters: Counters, reader: Reader, open_writer: OpenWriter
) -> None:
    """Two readers never share one; what one gives back the other may take."""
    append(open_writer(**SMALL), *[PACKET] * 4)
    other = Reader(journal, counters)
    mine, theirs = _claim(reader), _claim(other)
    assert mine.segment.uid != theirs.segment.uid
    assert reader.claim_next() is None
    assert other.claim_next() is None
    reader.release(mine)
    assert _claim(other).segment.uid == mine.segment.uid
    other.close()
    assert len({_claim(reader).segment.uid, _claim(reader).segment.uid}) == 2


def test_two_readers_share_what_is_written(
    journal: Path, counters: Counters, reader: Reader, open_writer: OpenWriter
) -> None:
    """A reader that keeps up leaves the rest to the other, and what has none it takes."""
    for _ in range(3):
        append(open_writer(**SMALL), PACKET)
    other = Reader(journal, counters)
    assert [found is not None for found in (reader.claim_next(2), other.claim_next(2))] == [1, 1]
    assert reader.claim_next(2) is not None
    assert reader.claim_next(2) is None
    assert other.claim_next(2) is None, "all three are read"
    reader.finish(reader.claims[0])
    append(open_writer(**SMALL), PACKET)
    reader.finish(reader.claims[0])
    assert other.claim_next(2) is None, "one of two is its share"
    assert other.claim_next() is not None, "with nothing else to do it takes more"
    other.close()


_CLAIM_ALL = """
import sys
from pathlib import Path
from collector.journal.counters import Counters
from collector.journal.reader import Reader
journal = Path(sys.argv[1])
reader = Reader(journal, Counters(journal))
while (claim := reader.claim_next()) is not None:
    print(claim.segment.first_record, flush=True)
print("done", flush=True)
sys.stdin.read()
"""


def test_processes_never_share_a_segment(
    journal: Path, reader: Reader, open_writer: OpenWriter
) -> None:
    """And the end of one, however it ends, frees what it had."""
    append(open_writer(**SMALL), *[PACKET] * 10)
    mine = _claim(reader)
    process = subprocess.Popen(
        [sys.executable, "-c", _CLAIM_ALL, str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    theirs = list(iter(process.stdout.readline, "done\n"))
    assert mine.segment.first_record == 0
    assert theirs == ["3\n", "6\n", "9\n"]
    assert reader.claim_next() is None
    process.kill()
    process.communicate()
    assert [_claim(reader).segment.first_record for _ in range(3)] == [3, 6, 9]


def test_a_growing_segment_has_no_end(reader: Reader, open_writer: OpenWriter) -> None:
    """What is appended after the claim is read; the number of records is known at the end."""
    writer = open_writer(**SMALL)
    append(writer, b"1")
    claim = _claim(reader)
    reader.refresh(claim)
    assert _packets(claim.read(1)) == [b"1"]
    append(writer, b"2")
    assert _count(reader, claim) is None
    assert _packets(claim.read(1)) == [b"1", b"2"]
    append(writer, *[PACKET] * 4)
    assert _count(reader, claim) == 5
    assert _packets(claim.read(1)) == [b"1", b"2", *[PACKET] * 3]


def test_a_killed_writer_ends_the_segment(
    reader: Reader, counters: Counters, open_writer: OpenWriter
) -> None:
    """The reader counts for it, and brings its counters into order."""
    writer = open_writer()
    append(writer, b"1", b"2")
    claim = _claim(reader)
    assert _count(reader, claim) is None
    writer._count[Field.JOURNALED] -= 1  # killed between the write and its count
    kill(writer)
    assert _count(reader, claim) == 2
    assert counters.slot(0)[Field.JOURNALED] == 2


def test_a_new_writer_of_the_slot_changes_nothing(reader: Reader, open_writer: OpenWriter) -> None:
    """The old segment ended with its writer, though the slot lives on."""
    writer = open_writer()
    append(writer, b"1", b"2")
    claim = _claim(reader)
    kill(writer)
    append(open_writer(), b"3")
    reader.refresh(claim)
    assert claim.segment.records == 2


def test_a_deleted_segment_has_ended_where_it_was_read(
    reader: Reader, open_writer: OpenWriter
) -> None:
    """An operator's rm must not stop ingest."""
    writer = open_writer()
    append(writer, b"1", b"2")
    claim = _claim(reader)
    claim.records = 1
    claim.segment.path.unlink()
    reader.refresh(claim)
    assert claim.segment.records == 1
    reader.finish(claim)
    assert reader.claims == []


def test_a_read_begins_behind_what_is_confirmed(reader: Reader, open_writer: OpenWriter) -> None:
    """And holds one whole record at least, whatever limit was asked for."""
    writer = open_writer()
    append(writer, PACKET, bytes(65_507), b"end")
    claim = _claim(reader)
    claim.offset += RECORD
    assert _packets(claim.read(1)) == [bytes(65_507), b"end"]
    assert record.MAX_PACKET_BYTES + record.HEADER_BYTES <= MIN_READ_BYTES
    claim.offset = 10**9
    assert claim.read(1) == b""


def test_a_finished_segment_is_gone(reader: Reader, open_writer: OpenWriter) -> None:
    """From the disk, from the claims, and from the open files."""
    before = open_descriptors()
    writer = open_writer()
    append(writer, b"1")
    writer.close()
    claim = _ended(reader)
    reader.finish(claim)
    assert not claim.segment.path.exists()
    assert reader.claims == []
    assert reader.claim_next() is None
    assert open_descriptors() == before


def test_a_segment_that_was_finished_meanwhile_is_not_claimed(
    journal: Path, reader: Reader, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may delete it between our opening and our lock."""
    append(open_writer(**SMALL), *[PACKET] * 4)
    oldest = segment.in_slot(journal / "00")[0].path
    real_open = os.open

    def open_and_delete(path: Path, flags: int) -> int:
        file = real_open(path, flags)
        oldest.unlink(missing_ok=True)
        return file

    monkeypatch.setattr(os, "open", open_and_delete)
    assert _claim(reader).segment.first_record == 3


@pytest.mark.parametrize("place", [0, 8, 30])
def test_a_damaged_header_is_noticed_and_its_records_are_read(
    journal: Path, reader: Reader, open_writer: OpenWriter, place: int
) -> None:
    """The records have checksums of their own."""
    writer = open_writer()
    append(writer, b"1", b"2")
    writer.close()
    path = segment.in_slot(journal / "00")[0].path
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    claim = _ended(reader)
    assert claim.damaged
    assert claim.segment.records == 2
    assert _packets(claim.read(1)) == [b"1", b"2"]


def test_damaged_segments_are_kept_for_inspection_but_not_for_ever(
    journal: Path, reader: Reader, open_writer: OpenWriter
) -> None:
    """The newest ones, whichever slot they are in."""
    claims = []
    writers = [open_writer(segment_bytes=HEADER_BYTES + 1) for _ in range(3)]
    for number in range(MAX_DAMAGED_KEPT + 4):
        append(writers[-1 - number % 3], b"%d" % number)
    for writer in writers:
        writer.close()
    while (claim := reader.claim_next()) is not None:
        claims.append(claim)
        claim.damaged = True
    for claim in claims:
        reader.refresh(claim)
        reader.finish(claim)
    kept = sorted(journal.glob("*/*"), key=lambda path: path.name.split("-")[1])
    uids = [claim.segment.uid.hex for claim in sorted(claims, key=lambda one: one.segment.uid)]
    assert {path.suffix for path in kept} == {segment.DAMAGED_SUFFIX}
    assert [path.name.split("-")[1].split(".")[0] for path in kept] == uids[-MAX_DAMAGED_KEPT:]
    assert reader.claim_next() is None, "a damaged file is not read again"


def test_a_damaged_segment_that_vanished_is_finished_all_the_same(
    reader: Reader, open_writer: OpenWriter
) -> None:
    """Ingest would try for ever otherwise."""
    writer = open_writer()
    append(writer, b"1")
    writer.close()
    claim = _ended(reader)
    claim.damaged = True
    claim.segment.path.unlink()
    reader.finish(claim)
    assert reader.claims == []


def _damage(claim: Claim, begin: int, data: bytes) -> None:
    with claim.segment.path.open("r+b") as file:
        file.seek(begin)
        file.write(data)


def test_damage_before_an_intact_record_is_skipped(reader: Reader, open_writer: OpenWriter) -> None:
    """Also while the segment grows."""
    append(open_writer(), PACKET, PACKET, b"good")
    claim = _claim(reader)
    reader.refresh(claim)
    _damage(claim, HEADER_BYTES + 5, b"\xff\xff")
    _damage(claim, HEADER_BYTES + RECORD + 50, b"\xff\xff")
    data = claim.read(1)
    assert _packets(data) == []
    assert claim.skip_damage(data) == 2 * RECORD
    assert _packets(data[2 * RECORD :]) == [b"good"]


def test_what_is_still_being_written_is_not_damage(reader: Reader, open_writer: OpenWriter) -> None:
    """A record that is not whole yet is waited for, while its writer lives."""
    writer = open_writer()
    append(writer, b"1")
    claim = _claim(reader)
    torn = record.pack(64, PEER, 0, 0, PACKET)[:-1]
    _damage(claim, HEADER_BYTES + record.HEADER_BYTES + 1, torn)
    claim.offset += record.HEADER_BYTES + 1
    reader.refresh(claim)
    assert claim.skip_damage(claim.read(1)) == 0
    kill(writer)
    reader.refresh(claim)
    assert claim.skip_damage(claim.read(1)) == len(torn)


def test_a_page_that_was_read_too_early_is_not_damage(
    reader: Reader, open_writer: OpenWriter
) -> None:
    """Of two records the reader may see the second before the first: it looks again."""
    append(open_writer(), b"first", b"second")
    claim = _claim(reader)
    reader.refresh(claim)
    data = bytearray(claim.read(1))
    data[:44] = bytes(44)
    assert record.find_next(bytes(data), 0) > 0
    assert claim.skip_damage(bytes(data)) == 0


def test_the_torn_end_of_a_killed_writer_is_skipped_whole(
    reader: Reader, open_writer: OpenWriter
) -> None:
    """Zeros, too, as a power cut leaves them."""
    writer = open_writer()
    append(writer, b"1")
    kill(writer)
    claim = _ended(reader)
    claim.offset += record.HEADER_BYTES + 1
    _damage(claim, claim.offset, bytes(5000))
    assert claim.skip_damage(claim.read(1)) == 5000


def test_an_intact_record_behind_much_damage_is_not_skipped(
    reader: Reader, open_writer: OpenWriter
) -> None:
    """It may begin in what was read and end behind it."""
    writer = open_writer(segment_bytes=64 << 20)
    append(writer, *[bytes(60_000)] * 70, b"good")
    writer.close()
    claim = _ended(reader)
    good = HEADER_BYTES + 70 * (60_000 + record.HEADER_BYTES)
    for begin in range(HEADER_BYTES, good, 60_000 + record.HEADER_BYTES):
        _damage(claim, begin, b"JUNK")
    found: list[bytes] = []
    # The good record straddles the end of the first read.
    limit = good - HEADER_BYTES + 20
    while data := claim.read(limit):
        step = claim.skip_damage(data) if not _packets(data) else len(data)
        assert step > 0
        found += _packets(data)
        claim.offset += step
    assert found == [b"good"]
