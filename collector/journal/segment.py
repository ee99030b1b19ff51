# SPDX-License-Identifier: GPL-2.0-or-later
"""A segment: one append-only file of records.

Its name carries the number of its first record and, once its writer has ended it, how many records
it has: ``<first record>-<uid>.seg`` becomes ``<first record>-<uid>-<records>.end``. A segment that
was not ended because its writer was killed is ended by whoever finds it so (``writer.reconcile``).
"""

from __future__ import annotations

import os
import struct
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from collector.journal import record

OPEN_SUFFIX: Final = ".seg"
ENDED_SUFFIX: Final = ".end"
DAMAGED_SUFFIX: Final = ".damaged"
_HEADER: Final = struct.Struct("<8s16sQ")
_MAGIC: Final = b"KSEG0001"
HEADER_BYTES: Final = _HEADER.size


class Segment(NamedTuple):
    """A segment file as its name describes it."""

    path: Path
    slot: int
    first_record: int
    """Number of its first record within the slot, counted from the slot's first use."""
    uid: uuid.UUID
    """Identity of the file, the key of its progress in the database. Sorts by age."""
    records: int | None = None
    """Records that its writer has put into it; None while it may grow."""

    @property
    def created_ns(self) -> int:
        """Time of creation, ns since 1970."""
        return int.from_bytes(self.uid.bytes[:8])


def new_uid(created_ns: int) -> uuid.UUID:
    """An identity for a segment: time of creation and 8 random bytes, so it sorts by age."""
    return uuid.UUID(bytes=created_ns.to_bytes(8) + os.urandom(8))


def name(first_record: int, uid: uuid.UUID) -> str:
    """File name of a segment that is appended to; names sort by record number."""
    return f"{first_record:020d}-{uid.hex}{OPEN_SUFFIX}"


def end(segment: Segment, records: int) -> None:
    """Rename the file to say that it is complete and has ``records`` records."""
    stem = f"{segment.first_record:020d}-{segment.uid.hex}-{records}"
    segment.path.rename(segment.path.with_name(stem + ENDED_SUFFIX))


def header(first_record: int, uid: uuid.UUID) -> bytes:
    """The first ``HEADER_BYTES`` bytes of a segment file."""
    return _HEADER.pack(_MAGIC, uid.bytes, first_record)


def header_is_valid(data: bytes, segment: Segment) -> bool:
    """True when ``data``, the beginning of the file, belongs to this name and version."""
    return data[:HEADER_BYTES] == header(segment.first_record, segment.uid)


def parse_name(path: Path) -> Segment | None:
    """The segment behind a path in a slot directory; None for any other file."""
    number, _, rest = path.stem.partition("-")
    hexadecimal, _, records = rest.partition("-")
    if path.suffix not in (OPEN_SUFFIX, ENDED_SUFFIX) or not path.parent.name.isdigit():
        return None
    try:
        uid = uuid.UUID(hexadecimal)
        count = int(records) if path.suffix == ENDED_SUFFIX else None
        return Segment(path, int(path.parent.name), int(number), uid, count)
    except ValueError:
        return None


def in_slot(directory: Path) -> list[Segment]:
    """The segments of one slot directory, oldest first; empty if there is no such directory."""
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 (names are enough, and asked for often)
    except FileNotFoundError:
        return []
    found = (_parse(directory, file_name) for file_name in names)
    return [segment for segment in found if segment is not None]


@lru_cache(maxsize=256)
def _parse(directory: Path, file_name: str) -> Segment | None:
    """Remembered, since most files are there each time that somebody looks.

    Not for many: each is about 1 KB, and a busy node has thousands of them in an hour.
    """
    return parse_name(directory / file_name)


def slot_directories(journal: Path) -> list[Path]:
    """The slot directories of a journal in slot order."""
    with os.scandir(journal) as entries:
        names = sorted(entry.name for entry in entries if entry.name.isdigit() and entry.is_dir())
    return [journal / one for one in names]


def count_records(path: Path) -> int:
    """Intact records in a segment file, damage skipped. Reads the whole file into memory."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0
    count, offset = 0, HEADER_BYTES
    while 0 <= offset < len(data):
        found = record.unpack(data, offset)
        if found:
            count += 1
            offset = found.end
        else:
            offset = record.find_next(data, offset)
    return count
