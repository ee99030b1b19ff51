# SPDX-License-Identifier: GPL-2.0-or-later
"""Who was refused, and how often: shared memory that survives the processes that write to it.

One file beside the journal's counters. Each process has its own part of it, the one of its slot,
where nobody else writes; totals are sums over all parts since the journal was created. A part has
room for ``PEERS`` pairs of peer and cause. When it is full, those not refused for an hour give up
their place; what has none is counted together, by cause, under ``OTHER_PEER``.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from collector.causes import CAUSES, Cause
from collector.errors import JournalError
from collector.journal.counters import MOST_CAUSES, SLOTS
from collector.journal.record import OTHER_PEER

FILE_NAME: Final = "refused"
PEERS: Final = 128
KEPT_NS: Final = 3600 * 1_000_000_000

_MAGIC: Final = b"KREFUS01"
_HEADER_BYTES: Final = 64
_OTHERS: Final = MOST_CAUSES
"""Rows at the beginning of a part, one for each cause, of the peers without a row."""
_ROWS: Final = _OTHERS + PEERS
_WORDS: Final = 5
"""Of a row: the address in two, cause, packets (0: the row is free), time of the last one (ns)."""
_CAUSE, _PACKETS, _LAST = 2, 3, 4
_PART_BYTES: Final = _ROWS * _WORDS * 8
_FILE_BYTES: Final = _HEADER_BYTES + SLOTS * _PART_BYTES
_RETRY_NS: Final = 1_000_000_000


class Refused(NamedTuple):
    """What was refused of one peer for one cause."""

    peer: bytes
    cause: Cause
    packets: int
    last_ns: int
    """Time of the last one, ns since 1970."""


class RefusedPeers:
    """The part of one process."""

    def __init__(self, journal: Path, slot: int) -> None:
        """``slot`` is the one that the process has in the journal. Raises JournalError."""
        self._map = _open(journal)
        begin = _HEADER_BYTES + slot * _PART_BYTES
        self._words = memoryview(self._map)[begin : begin + _PART_BYTES].cast("Q")
        self._rows: dict[tuple[bytes, Cause], int] = {}
        self._free: list[int] = []
        self._full_until_ns = 0
        for row in range(_ROWS - 1, _OTHERS - 1, -1):
            found = _read(self._words, row)
            if found:
                self._rows[found.peer, found.cause] = row
            else:
                self._free.append(row)

    def count(self, peer: bytes, cause: Cause) -> None:
        """Count one packet, or one connection, that was not taken."""
        now = time.time_ns()
        row = self._rows.get((peer, cause))
        if row is None:
            row = self._claim(peer, cause, now)
        at = row * _WORDS
        self._words[at + _LAST] = now
        self._words[at + _PACKETS] += 1

    def _claim(self, peer: bytes, cause: Cause, now: int) -> int:
        if not self._free and now >= self._full_until_ns:
            self._forget(now - KEPT_NS)
            self._full_until_ns = now + _RETRY_NS
        if self._free:
            row = self._free.pop()
            self._rows[peer, cause] = row
        else:
            row, peer = int(cause), OTHER_PEER
        _write_key(self._words, row, peer, cause)
        return row

    def _forget(self, before_ns: int) -> None:
        """Move what was last refused before that time to the others."""
        for (peer, cause), row in list(self._rows.items()):
            at = row * _WORDS
            if self._words[at + _LAST] < before_ns:
                other = int(cause)
                _write_key(self._words, other, OTHER_PEER, cause)
                self._words[other * _WORDS + _LAST] = max(
                    self._words[other * _WORDS + _LAST], self._words[at + _LAST]
                )
                self._words[other * _WORDS + _PACKETS] += self._words[at + _PACKETS]
                self._words[at + _PACKETS] = 0
                self._free.append(row)
                del self._rows[peer, cause]


def read(journal: Path) -> list[Refused]:
    """What all processes have counted, the most recent first. Raises JournalError."""
    mapped = _open(journal)
    totals: dict[tuple[bytes, Cause], Refused] = {}
    for slot in range(SLOTS):
        begin = _HEADER_BYTES + slot * _PART_BYTES
        part = mapped[begin : begin + _PART_BYTES]
        if part.count(0) == _PART_BYTES:
            continue
        words = memoryview(part).cast("Q")
        for found in filter(None, (_read(words, row) for row in range(_ROWS))):
            have = totals.get((found.peer, found.cause))
            totals[found.peer, found.cause] = (
                found._replace(
                    packets=found.packets + have.packets, last_ns=max(found.last_ns, have.last_ns)
                )
                if have
                else found
            )
    mapped.close()
    return sorted(totals.values(), key=lambda found: found.last_ns, reverse=True)


def _open(journal: Path) -> mmap.mmap:
    """Map the file; make it when there is none, which several processes may do at once."""
    path = journal / FILE_NAME
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if os.fstat(file).st_size < _FILE_BYTES:
                os.pwrite(file, _MAGIC, 0)
                os.ftruncate(file, _FILE_BYTES)
            mapped = mmap.mmap(file, _FILE_BYTES)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        message = f"{path}: {error}"
        raise JournalError(message) from error
    if mapped[: len(_MAGIC)] != _MAGIC:
        mapped.close()
        message = f"{path} was made by another version"
        raise JournalError(message)
    return mapped


def _read(words: memoryview[int], row: int) -> Refused | None:
    """A row, or None if it is free."""
    at = row * _WORDS
    high, low, cause, packets, last_ns = words[at : at + _WORDS].tolist()
    if not packets or cause >= len(CAUSES):
        return None
    return Refused(high.to_bytes(8) + low.to_bytes(8), CAUSES[cause], packets, last_ns)


def _write_key(words: memoryview[int], row: int, peer: bytes, cause: Cause) -> None:
    at = row * _WORDS
    words[at] = int.from_bytes(peer[:8])
    words[at + 1] = int.from_bytes(peer[8:])
    words[at + _CAUSE] = cause
