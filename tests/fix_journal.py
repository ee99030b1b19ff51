# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal directory, and writers on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from collector.journal import record, segment
from collector.journal.counters import Role
from collector.journal.record import Record
from collector.journal.writer import Writer

PEER = record.pack_address("203.0.113.9")


class OpenWriter(Protocol):
    """Opens a writer on the test's journal."""

    def __call__(self, **options: Any) -> Writer:
        """``options`` replace segment_bytes, segment_seconds, max_bytes, min_free_bytes."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A directory for a journal."""
    return tmp_path / "journal"


@pytest.fixture
def open_writer(journal: Path) -> Iterator[OpenWriter]:
    """Writers that are closed at the end of the test unless it did that itself."""
    writers: list[Writer] = []

    def make(**options: Any) -> Writer:
        defaults: dict[str, Any] = {
            "segment_bytes": 1 << 20,
            "segment_seconds": 3600,
            "max_bytes": 1 << 30,
            "min_free_bytes": 0,
        }
        writer = Writer(journal, Role.UDP, **defaults | options)
        writers.append(writer)
        return writer

    yield make
    for writer in writers:
        if not writer.closed:
            writer.close()


def append(writer: Writer, *packets: bytes) -> None:
    """Append packets; each must be accepted."""
    for packet in packets:
        assert writer.append(packet, PEER, 9060, 0) is None


class Clock:
    """Stands in for the module ``time``: it moves only when a test says so."""

    def __init__(self, now_ns: int = 1_800_000_000_000_000_000) -> None:
        self.now_ns = now_ns

    def time_ns(self) -> int:
        """The time of the test."""
        return self.now_ns

    def add(self, seconds: float) -> None:
        """Let time pass; it may be negative."""
        self.now_ns += int(seconds * 1e9)


def open_descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def records_in(path: Path) -> list[Record]:
    """All records of a segment file; it must be intact to its end."""
    data = path.read_bytes()
    found = []
    offset = segment.HEADER_BYTES
    while (one := record.unpack(data, offset)) is not None:
        found.append(one)
        offset = one.end
    assert offset == len(data), f"{path} has {len(data) - offset} bytes that are no record"
    return found


def kill(writer: Writer) -> None:
    """What the end of the process leaves of a writer: nothing is ended, the kernel closes files."""
    writer.closed = True
    if writer._file >= 0:
        os.close(writer._file)
    os.close(writer._lock)
    writer._count.release()
    writer._node.release()
    writer._counters.close()


def packets_of(journal: Path, slot: int = 0) -> list[bytes]:
    """All packets of a slot in order; the numbers in the file names must fit."""
    found: list[bytes] = []
    first = None
    for item in segment.in_slot(journal / f"{slot:02d}"):
        first = item.first_record if first is None else first
        assert item.first_record == first + len(found)
        records = records_in(item.path)
        assert item.records in (None, len(records))
        found += [one.packet for one in records]
    return found
