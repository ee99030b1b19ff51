# SPDX-License-Identifier: GPL-2.0-or-later
"""The reading side of the journal: segments are claimed whole, by lock, and read to their end.

A claim remembers how far the database has confirmed the segment; what was read and not confirmed
is simply read again.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from collector.journal import record
from collector.journal import segment as segment_files
from collector.journal.counters import Counters, held
from collector.journal.segment import Segment
from collector.journal.writer import reconcile

_LONGEST_RECORD: Final = record.HEADER_BYTES + record.MAX_PACKET_BYTES
MIN_READ_BYTES: Final = 2 * record.MAX_PACKET_BYTES
"""A read must have room for one whole record of any size."""

MAX_DAMAGED_KEPT: Final = 8
"""Damaged segment files that are kept; older ones are deleted."""


@dataclass(slots=True)
class Claim:
    """A segment that this process reads, and nobody else."""

    segment: Segment
    file: int
    offset: int = segment_files.HEADER_BYTES
    """Offset of the first byte that the database has not confirmed."""
    records: int = 0
    """Records before ``offset``, damaged ones included."""
    correlated: int = segment_files.HEADER_BYTES
    """Offset up to which the calls are written, too."""
    ended: bool = False
    """Its last record is stored."""
    damaged: bool = False
    """Bytes were skipped: the file is kept for inspection when it is finished."""

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes from ``offset`` on; at least one whole record if there is one."""
        return os.pread(self.file, max(limit, MIN_READ_BYTES), self.offset)

    def skip_damage(self, data: bytes) -> int:
        """How many bytes of unreadable ``data`` to skip; 0 when more may still be written.

        Damage is certain when an intact record follows, or when the writer is gone. Pages of one
        read may be of different age, so data of a growing segment is read twice before it counts.
        """
        following = record.find_next(data, 0)
        if self.segment.records is not None:
            if following > 0:
                return following
            # An intact record may begin in the last part of ``data`` and end behind it.
            cut_off = os.fstat(self.file).st_size > self.offset + len(data)
            return max(1, len(data) - _LONGEST_RECORD) if cut_off else len(data)
        if following > 0 and os.pread(self.file, following, self.offset) == data[:following]:
            return following
        return 0


class Reader:
    """Claims the segments of one journal, oldest first."""

    def __init__(self, journal: Path, counters: Counters) -> None:
        """``journal`` is the directory; ``counters`` its mapped counter file."""
        self._journal = journal
        self._counters = counters
        self.claims: list[Claim] = []
        self._free_since: dict[UUID, float] = {}

    def claim_next(self, readers: int = 1, grace_s: float = 0) -> Claim | None:
        """Claim the oldest segment that nobody reads; None when there is none.

        Also None when this reader has its share of the segments already, where there are several
        ``readers``: a segment that just began is for the one that has just finished another. What
        is stored and only waits to be removed does not count. With ``grace_s`` a segment must have
        been seen without a reader for so long, in every call since.
        """
        mine = {claim.segment.uid for claim in self.claims}
        waiting = [
            found
            for directory in segment_files.slot_directories(self._journal)
            for found in segment_files.in_slot(directory)
            if found.uid not in mine
        ]
        old = self._free_since
        self._free_since = {at.uid: old[at.uid] for at in waiting if at.uid in old}
        reading = sum(not claim.ended for claim in self.claims)
        if reading * readers >= reading + len(waiting):
            return None
        for found in sorted(waiting, key=lambda item: item.uid):
            try:
                file = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                self._free_since.pop(found.uid, None)
                continue
            if not os.fstat(file).st_nlink:  # finished by another process a moment ago
                os.close(file)
                continue
            now = time.monotonic()
            if now - self._free_since.setdefault(found.uid, now) < grace_s:
                os.close(file)
                continue
            claim = Claim(found, file)
            head = os.pread(file, segment_files.HEADER_BYTES, 0)
            if not segment_files.header_is_valid(head, found):
                claim.damaged = True
            self.claims.append(claim)
            return claim
        return None

    def refresh(self, claim: Claim) -> None:
        """Learn whether the segment's writer has ended it. Call before ``read``, not after."""
        if claim.segment.records is not None:
            return
        directory = claim.segment.path.parent
        self._look_up(claim, directory)
        if claim.segment.records is None:
            with held(directory) as writer_is_gone:
                if writer_is_gone:
                    reconcile(self._counters, claim.segment.slot, directory)
                    self._look_up(claim, directory)

    @staticmethod
    def _look_up(claim: Claim, directory: Path) -> None:
        for found in segment_files.in_slot(directory):
            if found.uid == claim.segment.uid:
                claim.segment = found
                return
        # Somebody has deleted the file: what was read is all there is.
        claim.segment = claim.segment._replace(records=claim.records)

    def finish(self, claim: Claim) -> None:
        """Remove a segment whose last record is committed; a damaged one is kept aside."""
        path = claim.segment.path
        if claim.damaged:
            self._keep_aside(path)
        else:
            path.unlink(missing_ok=True)
        self.release(claim)

    def _keep_aside(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rename(path.with_suffix(segment_files.DAMAGED_SUFFIX))
        kept = self._journal.glob(f"*/*{segment_files.DAMAGED_SUFFIX}")
        by_age = sorted(kept, key=lambda item: item.stem.partition("-")[2])
        for oldest in by_age[:-MAX_DAMAGED_KEPT]:
            oldest.unlink(missing_ok=True)

    def release(self, claim: Claim) -> None:
        """Give a segment back unfinished."""
        os.close(claim.file)
        self.claims.remove(claim)

    def close(self) -> None:
        """Give all segments back."""
        for claim in list(self.claims):
            self.release(claim)
