# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal directory, and writers on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from collector.journal import record
from collector.journal.counters import Role
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
