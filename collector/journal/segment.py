# SPDX-License-Identifier: GPL-2.0-or-later
"""A segment: one append-only file of records, known by the number of its first record.

The file name carries that number, so that the records of every segment but a slot's last are
counted without opening it: the next name minus this one.
"""

from __future__ import annotations

import os
import struct
import uuid
from pathlib import Path
from typing import Final, NamedTuple

from collector.journal import record

SUFFIX: Final = ".seg"
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

    @property
    def created_ns(self) -> int:
        """Time of creation, ns since 1970."""
        return int.from_bytes(self.uid.bytes[:8])


def new_uid(created_ns: int) -> uuid.UUID:
    """An identity for a segment: time of creation and 8 random bytes, so it sorts by age."""
    return uuid.UUID(bytes=created_ns.to_bytes(8) + os.urandom(8))


def name(first_record: int, uid: uuid.UUID) -> str:
    """File name of a segment; sorts by record number."""
    return f"{first_record:020d}-{uid.hex}{SUFFIX}"


def header(first_record: int, uid: uuid.UUID) -> bytes:
    """The first ``HEADER_BYTES`` bytes of a segment file."""
    return _HEADER.pack(_MAGIC, uid.bytes, first_record)


def header_is_valid(data: bytes, segment: Segment) -> bool:
    """True when ``data``, the beginning of the file, belongs to this name and version."""
    return data[:HEADER_BYTES] == header(segment.first_record, segment.uid)


def parse_name(path: Path) -> Segment | None:
    """The segment behind a path ``<slot>/<first record>-<uid>.seg``; None for any other file."""
    number, _, hexadecimal = path.stem.partition("-")
    if path.suffix != SUFFIX or not (number.isdigit() and path.parent.name.isdigit()):
        return None
    try:
        uid = uuid.UUID(hexadecimal)
    except ValueError:
        return None
    return Segment(path, int(path.parent.name), int(number), uid)


def in_slot(directory: Path) -> list[Segment]:
    """The segments of one slot directory, oldest first; empty if there is no such directory."""
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except FileNotFoundError:
        return []
    found = (parse_name(directory / file_name) for file_name in names)
    return [segment for segment in found if segment is not None]


def slot_directories(journal: Path) -> list[Path]:
    """The slot directories of a journal in slot order."""
    return sorted(entry for entry in journal.iterdir() if entry.name.isdigit() and entry.is_dir())


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
