# SPDX-License-Identifier: GPL-2.0-or-later
"""Segment files: names, headers, order, and counting what is intact."""

from __future__ import annotations

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.journal import record, segment
from collector.journal.segment import HEADER_BYTES, Segment

UID = uuid.UUID(int=0x1234)
PEER = bytes(16)


def _record(packet: bytes) -> bytes:
    return record.pack(64, PEER, 0, 0, packet)


@given(st.integers(0, 10**19), st.integers(0, 63), st.uuids())
def test_a_name_says_what_the_segment_is(first: int, slot: int, uid: uuid.UUID) -> None:
    """Slot from the directory, number and identity from the file."""
    path = Path(f"/j/{slot:02d}") / segment.name(first, uid)
    assert segment.parse_name(path) == Segment(path, slot, first, uid, None)


@given(st.integers(0, 10**19), st.uuids(), st.integers(0, 10**9))
def test_a_name_says_whether_the_segment_has_ended(
    first: int, uid: uuid.UUID, records: int
) -> None:
    """And with how many records."""
    with TemporaryDirectory() as directory:
        slot = Path(directory) / "07"
        slot.mkdir()
        growing = Segment(slot / segment.name(first, uid), 7, first, uid)
        growing.path.touch()
        segment.end(growing, records)
        (ended,) = segment.in_slot(slot)
    assert ended == growing._replace(path=ended.path, records=records)
    assert ended.path.name.endswith(f"-{records}.end")


@pytest.mark.parametrize(
    "path",
    [
        "00/next",
        "00/x.seg",
        "00/12.seg",
        "00/12-xyz.seg",
        "00/x-00000000000000000000000000001234.seg",
        "00/-00000000000000000000000000001234.seg",
        "00/00000000000000000000-00000000000000000000000000001234.damaged",
        "ab/00000000000000000000-00000000000000000000000000001234.seg",
        "00/00000000000000000000-00000000000000000000000000001234",
        "00/00000000000000000000-00000000000000000000000000001234.end",
        "00/00000000000000000000-00000000000000000000000000001234-x.end",
        "00/00000000000000000000-00000000000000000000000000001234-5.damaged",
    ],
)
def test_other_files_are_no_segments(path: str) -> None:
    """What an operator leaves in the directory is ignored."""
    assert segment.parse_name(Path("/j") / path) is None


@given(st.lists(st.integers(0, 10**19), min_size=2, max_size=5, unique=True))
def test_names_sort_by_record_number(numbers: list[int]) -> None:
    """As text, since that is how a directory is sorted."""
    names = sorted(segment.name(number, uuid.uuid4()) for number in numbers)
    assert [int(name[:20]) for name in names] == sorted(numbers)


@given(st.lists(st.integers(0, 2**63), min_size=2, max_size=5, unique=True))
def test_identities_sort_by_age_and_tell_it(times: list[int]) -> None:
    """The database orders by them too."""
    made = {segment.new_uid(time): time for time in times}
    assert [made[uid] for uid in sorted(made)] == sorted(times)
    for uid, time in made.items():
        assert Segment(Path("x"), 0, 0, uid).created_ns == time


def test_identities_of_the_same_instant_differ() -> None:
    """Two workers may begin at once."""
    assert segment.new_uid(7) != segment.new_uid(7)


def test_a_header_belongs_to_one_file_only() -> None:
    """A file that was copied or renamed is not trusted."""
    head = segment.header(5, UID)
    assert len(head) == HEADER_BYTES == 32
    here = Segment(Path("x"), 0, 5, UID)
    assert segment.header_is_valid(head + b"records", here)
    assert not segment.header_is_valid(head[:-1], here)
    assert not segment.header_is_valid(b"", here)
    assert not segment.header_is_valid(head, here._replace(first_record=6))
    assert not segment.header_is_valid(head, here._replace(uid=uuid.UUID(int=1)))


def test_the_header_layout_does_not_change() -> None:
    """The file outlives upgrades."""
    assert segment.header(258, UID) == b"KSEG0001" + UID.bytes + b"\x02\x01" + bytes(6)


def test_segments_of_a_slot_come_oldest_first(tmp_path: Path) -> None:
    """Other files are passed over."""
    slot = tmp_path / "07"
    slot.mkdir()
    for number in (300, 4, 50):
        (slot / segment.name(number, UID)).touch()
    (slot / "next").touch()
    (slot / "notes.txt").touch()
    assert [found.first_record for found in segment.in_slot(slot)] == [4, 50, 300]
    assert segment.in_slot(tmp_path / "08") == []


def test_slot_directories_come_in_slot_order(tmp_path: Path) -> None:
    """Files and other directories are passed over."""
    for name in ("10", "02", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "03").touch()
    (tmp_path / "counters").touch()
    assert [path.name for path in segment.slot_directories(tmp_path)] == ["02", "10"]


def test_intact_records_are_counted(tmp_path: Path) -> None:
    """Damage before, between and after them is skipped."""
    path = tmp_path / "file"
    head = segment.header(0, UID)
    one, two, three = (_record(text) for text in (b"one", b"two", b"three"))
    broken = bytearray(two)
    broken[-1] ^= 1
    for data, count in (
        (b"", 0),
        (head, 0),
        (head[:20], 0),
        (head + one, 1),
        (head + one + two + three, 3),
        (head + one + bytes(broken) + three, 2),
        (head + bytes(broken) + three, 1),
        (head + bytes(broken), 0),
        (head + one + two + three[:-1], 2),
        (head + one + bytes(4096), 1),
        (bytes(HEADER_BYTES) + one, 1),
    ):
        path.write_bytes(data)
        assert segment.count_records(path) == count
    assert segment.count_records(tmp_path / "missing") == 0
