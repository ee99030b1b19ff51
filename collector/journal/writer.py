# SPDX-License-Identifier: GPL-2.0-or-later
"""The appending side of the journal: one writer per process, one slot per writer."""

from __future__ import annotations

import errno
import os
import time
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Final

from collector.causes import Cause
from collector.errors import JournalFullError
from collector.journal import record, run, segment
from collector.journal.counters import (
    Counters,
    Field,
    NodeField,
    Role,
    add_cause,
    cause_counts,
    claim_slot,
)
from collector.journal.links import Links
from collector.journal.record import HEADER_BYTES, SLOT_BITS
from collector.journal.segment import Segment

# Plain numbers: these are used for every packet.
_RECEIVED: Final = int(Field.RECEIVED)
_JOURNALED: Final = int(Field.JOURNALED)
_JOURNALED_BYTES: Final = int(Field.JOURNALED_BYTES)
_LAST_PACKET: Final = int(Field.LAST_PACKET)
_ROTATED_AT: Final = int(NodeField.ROTATED_AT)

RETRY_NS: Final = 100_000_000
"""After a failed attempt to open a segment, packets are dropped for this long without another."""


class Writer:
    """Appends packets to the journal; never raises on the packet path.

    ``segment_bytes`` and ``segment_seconds`` end a segment. A new one is refused, and packets are
    dropped and counted (the newest, since the older ones may be half of a call already), when the
    journal holds ``max_bytes`` or the file system has less than ``min_free_bytes`` left. Every
    segment is linked for the ``outputs``, by name with the bytes that each may keep (``links``).
    Where nobody but outputs reads, ``keeps_ended`` is False: a segment that has ended has only its
    links left.
    """

    def __init__(
        self,
        journal: Path,
        role: Role,
        *,
        segment_bytes: int,
        segment_seconds: float,
        max_bytes: int,
        min_free_bytes: int,
        outputs: Mapping[str, int] | None = None,
        keeps_ended: bool = True,
    ) -> None:
        """Claim a slot. Raises JournalError when the directory cannot be used."""
        self._journal = journal
        self._counters = Counters(journal)
        self.slot, self._lock = claim_slot(self._counters, journal, role, time.time_ns())
        self._directory = journal / f"{self.slot:02d}"
        self._count = self._counters.slot(self.slot)
        self._node = self._counters.node
        self._rotated_at = self._node[_ROTATED_AT]
        self._segment_bytes = segment_bytes
        self._segment_ns = int(segment_seconds * 1e9)
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._keeps_ended = keeps_ended
        self._links = Links(journal, self.slot, outputs, segment_bytes)
        self._file = -1
        self._current: Segment | None = None
        self._offset = 0
        self._admitted = False
        self._rotate_at_ns = 0
        self._retry_at_ns = 0
        self._refused = Cause.JOURNAL_WRITE
        self._last_id = 0
        self._newest_ns = max(
            (found.created_ns for found in segment.in_slot(self._directory)), default=0
        )
        self.closed = False
        self.last_error = ""
        """Why the last packet was dropped, for the log."""
        reconcile(self._counters, self.slot, self._directory)
        # A segment at once: what cannot be written shows at the start.
        self._prepare(time.time_ns())

    def append(self, packet: bytes, peer: bytes, port: int, transport: int) -> Cause | None:
        """Journal one packet; returns None, or the cause for which it was dropped and counted.

        ``peer`` is the sender's address in 16 bytes (``record.pack_address``).
        """
        self._count[_RECEIVED] += 1
        cause = self._write(packet, peer, port, transport)
        if cause is not None:
            add_cause(self._count, cause)
        return cause

    def offer(self, packets: list[bytes], peer: bytes, port: int, transport: int) -> int:
        """Journal packets of one peer in their order while there is room; returns how many.

        Nothing is counted of the others and they may come again: for transports that can make the
        sender wait. Records for the same segment are written at once.
        """
        taken = 0
        while taken < len(packets):
            count = self._write_run(packets, taken, peer, port, transport)
            if not count:
                break
            taken += count
        return taken

    def _write(self, packet: bytes, peer: bytes, port: int, transport: int) -> Cause | None:
        count = self._count
        now = time.time_ns()
        if self._node[_ROTATED_AT] != self._rotated_at:
            self._rotate()
        if now >= self._rotate_at_ns or not self._is_usable:
            cause = self._prepare(now)
            if cause is not None:
                return cause
        self._last_id = record_id = record.make_id(now, self.slot, self._last_id)
        data = record.pack(record_id, peer, port, transport, packet)
        written, cause = self._put(data)
        if cause is not None:
            # What a short write left is no record.
            with suppress(OSError):
                os.ftruncate(self._file, self._offset)
            return cause
        self._offset += written
        count[_JOURNALED] += 1
        count[_JOURNALED_BYTES] += written
        count[_LAST_PACKET] = now
        return None

    def _write_run(
        self, packets: list[bytes], first: int, peer: bytes, port: int, transport: int
    ) -> int:
        """Append packets from the first on, up to the end of the segment; returns how many."""
        count = self._count
        now = time.time_ns()
        if self._node[_ROTATED_AT] != self._rotated_at:
            self._rotate()
        if (now >= self._rotate_at_ns or not self._is_usable) and self._prepare(now) is not None:
            return 0
        room = self._segment_bytes - self._offset
        record_id = record.make_id(now, self.slot, self._last_id)
        data, packed = run.pack(packets, first, record_id, peer, port, transport, room)
        count[_RECEIVED] += packed
        self._last_id = record_id + (packed - 1 << SLOT_BITS)
        written, cause = self._put(data)
        whole = packed
        if cause is not None:
            # A reader may have seen what a short write left: its whole records stay.
            sizes = (HEADER_BYTES + len(packet) for packet in packets[first : first + packed])
            ends = list(accumulate(sizes))
            whole = bisect_right(ends, written)
            count[_RECEIVED] -= packed - whole
            written = ends[whole - 1] if whole else 0
            with suppress(OSError):
                os.ftruncate(self._file, self._offset + written)
        self._offset += written
        count[_JOURNALED] += whole
        count[_JOURNALED_BYTES] += written
        if whole:
            count[_LAST_PACKET] = now
        return whole

    def _put(self, data: bytes) -> tuple[int, Cause | None]:
        """Write behind the last record; returns the bytes written, and why if that is not all."""
        written = 0
        try:
            written = os.pwrite(self._file, data, self._offset)
            if written != len(data):  # no room for all of it: a second attempt says why
                written += os.pwrite(self._file, data[written:], self._offset + written)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
        except OSError as error:
            return written, self._cause_of(error)
        return written, None

    def drop(self, cause: Cause) -> None:
        """Count a packet that was received and will not be journaled."""
        self._count[_RECEIVED] += 1
        add_cause(self._count, cause)

    @property
    def counts(self) -> memoryview[int]:
        """This process's numbers, by ``Field``."""
        return self._count

    def close(self) -> None:
        """End the segment and free the slot."""
        self.closed = True
        with suppress(OSError):
            self._end_segment()
        os.close(self._lock)
        self._count.release()
        self._node.release()
        self._counters.close()

    @property
    def count(self) -> int:
        """Records in the slot since its first use: the number of the next one."""
        return self._count[_JOURNALED]

    @property
    def _is_usable(self) -> bool:
        return self._admitted and self._offset < self._segment_bytes

    def _prepare(self, now_ns: int) -> Cause | None:
        """See to it that there is a segment to append to; returns the cause if there is none.

        A full segment is ended whatever the limits say: only then can readers finish and delete
        it. The next one takes no packet before there is room for all of it. An old segment that
        has room left stays in use when there is no room for another.
        """
        # Not for longer than that, should the clock be set back meanwhile.
        if not 0 < self._retry_at_ns - now_ns <= RETRY_NS:
            try:
                if self._file < 0 or self._offset >= self._segment_bytes:
                    self._begin_segment(now_ns)
                self._check_room()
                if now_ns >= self._rotate_at_ns:
                    self._begin_segment(now_ns)
                self._admitted = True
            except JournalFullError as full:
                self._refused = full.cause
                self.last_error = str(full)
                self._retry_at_ns = now_ns + RETRY_NS
            except OSError as error:
                self._refused = self._cause_of(error)
                self._retry_at_ns = now_ns + RETRY_NS
        return None if self._is_usable else self._refused

    def _rotate(self) -> None:
        """An operator wants a new segment: the next packet begins it, if it can."""
        self._rotated_at = self._node[_ROTATED_AT]
        self._rotate_at_ns = 0

    def _begin_segment(self, now_ns: int) -> None:
        """End the current segment and open the next; raises OSError and keeps the current one."""
        # Names must sort by age, whatever the clock does.
        created_ns = max(now_ns, self._newest_ns + 1)
        first_record = self._count[_JOURNALED]
        uid = segment.new_uid(created_ns)
        path = self._directory / segment.name(first_record, uid)
        # The name appears only when the header is in place.
        fresh = self._directory / "next"
        fresh.write_bytes(segment.header(first_record, uid))
        file = os.open(fresh, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._end_segment()
            fresh.rename(path)
        except OSError:
            os.close(file)
            raise
        self._file = file
        self._current = Segment(path, self.slot, first_record, uid)
        self._offset = segment.HEADER_BYTES
        self._newest_ns = created_ns
        self._rotate_at_ns = now_ns + self._segment_ns
        self._admitted = False
        # The last segment takes no packet any more, and this one has none yet: to a reader of the
        # links the former is complete, and a kill between rename and link loses nothing.
        self._links.add(path, first_record)

    def _end_segment(self) -> None:
        """Tell readers that the current segment is complete; after that it takes no packet."""
        if self._current is None:
            return
        if self._keeps_ended:
            segment.end(self._current, self._count[_JOURNALED] - self._current.first_record)
        else:
            self._current.path.unlink(missing_ok=True)
        self._current = None
        os.close(self._file)
        self._file = -1
        self._admitted = False

    def _check_room(self) -> None:
        used = journal_bytes(self._journal)
        if used + self._segment_bytes > self._max_bytes:
            message = f"the journal holds {used} bytes; journal.max_bytes is {self._max_bytes}"
            raise JournalFullError(Cause.JOURNAL_FULL, message)
        free = self._free_bytes()
        if free < self._min_free_bytes and self._links.make_room(self._min_free_bytes - free):
            free = self._free_bytes()
        if free < self._min_free_bytes:
            message = f"{free} bytes are free; journal.min_free_bytes is {self._min_free_bytes}"
            raise JournalFullError(Cause.DISK_FULL, message)

    def _free_bytes(self) -> int:
        space = os.statvfs(self._directory)
        return space.f_bavail * space.f_frsize

    def _cause_of(self, error: OSError) -> Cause:
        self.last_error = f"{self._directory}: {error.strerror or error}"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return Cause.DISK_FULL if full else Cause.JOURNAL_WRITE


def journal_bytes(journal: Path) -> int:
    """Bytes in all segments of a journal."""
    total = 0
    for directory in segment.slot_directories(journal):
        for found in segment.in_slot(directory):
            try:
                total += found.path.stat().st_size
            except FileNotFoundError:
                continue  # a reader has finished it meanwhile
    return total


def reconcile(counters: Counters, slot_number: int, directory: Path) -> None:
    """Bring a slot into order after its process was killed; call with the slot locked.

    A kill can fall between the append and its count: the segment tells. A packet that was
    received and neither journaled nor counted as dropped was in the hands of the dead process.
    Segments that the process did not end are ended.
    """
    slot = counters.slot(slot_number)
    segments = segment.in_slot(directory)
    if segments:
        # A power cut, too, can leave a count that is older than the segment.
        last = segments[-1]
        records = segment.count_records(last.path) if last.records is None else last.records
        slot[_JOURNALED] = max(slot[_JOURNALED], last.first_record + records)
    end = slot[_JOURNALED]
    for found in reversed(segments):
        if found.records is None:
            with suppress(OSError):
                segment.end(found, end - found.first_record)
        end = found.first_record
    accounted = slot[_JOURNALED] + sum(cause_counts(slot).values())
    missing = slot[_RECEIVED] - accounted
    if missing > 0:
        add_cause(slot, Cause.WORKER_KILLED, missing)
    else:
        slot[_RECEIVED] = accounted
