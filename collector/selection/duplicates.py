# SPDX-License-Identifier: GPL-2.0-or-later
"""The same message captured twice: only the first one is kept.

A table of recent messages in a file that all ingest processes of a node map. It is a hash table of
rows, and the oldest entry of a row makes room for the next: a message may leave early, and then a
duplicate is stored. An entry names the journal record that it came from, so a record that is read
again after a crash finds itself and is kept again, whatever had been committed.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Final

from collector.causes import Cause
from collector.selection.candidate import Candidate

FILE_NAME: Final = "duplicates"
PLACES: Final = 1 << 17
"""Entries of the table. At 20,000 messages/s and a window of 500 ms, 8 % of them are in use."""
WAYS: Final = 8
"""Entries of a row. With one, 4 % of the messages would be gone when 5,000 others have come, which
is when those that a killed server had in hand come again; with eight, none is."""
_ENTRY: Final = struct.Struct("<16sQ")
_ROW: Final = struct.Struct("<" + WAYS * "16sQ")
_KEY_BYTES: Final = 16


class Key(StrEnum):
    """What makes two messages the same."""

    MESSAGE = "message"
    """All bytes of the message: also when two agents saw it on its way."""
    PACKET = "packet"
    """The message and its addresses and ports: each hop counts."""


class DuplicateFilter:
    """``filter.duplicate_window``: the same message again within the window."""

    cause = Cause.DUPLICATE

    def __init__(self, journal: Path, window_seconds: float, key: Key) -> None:
        """``journal`` is the directory where the table lives."""
        self._window_ns = int(window_seconds * 1e9)
        self._with_addresses = key is Key.PACKET
        self._file = os.open(journal / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.ftruncate(self._file, PLACES * _ENTRY.size)
        self._table = mmap.mmap(self._file, PLACES * _ENTRY.size)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the table: hold it for a run of records, not for each."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def discards(self, candidate: Candidate) -> bool:
        """Whether a message with the same key arrived less than the window away."""
        packet = candidate.packet
        digest = blake2b(packet.payload, digest_size=_KEY_BYTES)
        if self._with_addresses:
            digest.update(b"%b%b%d:%d" % packet[2:6])
        key = digest.digest()
        row = int.from_bytes(key[:8]) % (PLACES // WAYS) * _ROW.size
        entries = _ROW.unpack_from(self._table, row)
        keys, owners = entries[::2], entries[1::2]
        record_id = candidate.record_id
        if key in keys:
            way = keys.index(key)
            if owners[way] != record_id and abs(record_id - owners[way]) < self._window_ns:
                return True
        else:
            way = owners.index(min(owners))
        _ENTRY.pack_into(self._table, row + way * _ENTRY.size, key, record_id)
        return False

    def close(self) -> None:
        """Unmap the table; what it holds stays for the other processes."""
        self._table.close()
        os.close(self._file)
