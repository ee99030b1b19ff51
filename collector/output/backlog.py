# SPDX-License-Identifier: GPL-2.0-or-later
"""The reading side of the links: one output's records in order of arrival, and its progress.

What ``read`` returned and ``commit`` has not confirmed is read again after ``rewind`` or a restart:
at least once. Numbers tell what is missing: every record has one within its slot, so whatever
removed a segment, its records are counted.

Between delivered and not there is a third state: *handed over*, when the receiver's kernel or the
network has a record, and it would come again should the connection break. A process that is killed
then takes it for delivered when it starts again, so that the kill of a sender repeats only what was
sent since the state was last written.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from collector.journal import links, run, segment
from collector.journal.counters import Counters, Field, Role, held
from collector.journal.reader import MIN_READ_BYTES, Claim
from collector.journal.record import Record
from collector.journal.segment import HEADER_BYTES, Segment
from collector.journal.writer import reconcile
from collector.output import state as state_file
from collector.output.fate import Fate
from collector.output.portion import Portion
from collector.output.state import Position, State

READ_BYTES: Final = 256 << 10
"""Read from one slot at a time: a few hundred records, so that outputs take turns."""

_NONE: Final = UUID(int=0)


@dataclass(slots=True)
class _Cursor:
    """The reading position in one slot; ahead of what is committed."""

    slot: int
    directory: Path
    uid: UUID = _NONE
    """The segment that is or was read last."""
    number: int | None = None
    """Number of the next record to take out of ``buffer``."""
    claim: Claim | None = None
    damaged: bool = False
    base: int = 0
    """Offset in the segment of the first byte that was put into ``buffer``."""
    buffer: list[Record] = field(default_factory=list)
    taken: int = 0
    more: bool = False
    """There may be more behind ``buffer`` at this moment."""
    finished: bool = False
    missing: Counter[Fate] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """Records in the buffer."""
        return len(self.buffer) - self.taken

    def position(self) -> Position | None:
        """Where it stands, everything taken so far included."""
        if self.uid == _NONE or self.number is None:
            return None
        end = self.buffer[self.taken - 1].end if self.taken else 0
        finished = self.finished and not self.left
        return Position(self.uid, self.base + end, self.number, finished, self.damaged)

    def close(self) -> None:
        """Let the segment go."""
        if self.claim:
            os.close(self.claim.file)
            self.claim = None


class Backlog:
    """The records that wait for one output."""

    def __init__(self, journal: Path, name: str, counters: Counters, target: str = "") -> None:
        """Take up where the state file says. Raises OSError when the directory cannot be made."""
        self._journal = journal
        self._counters = counters
        self.directory = links.output_directory(journal, name)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.state = state_file.load(self.directory) or State()
        self.state.accept_handed()
        self.state.target = target
        self.state.connected = False
        self._cursors: dict[int, _Cursor] = {}
        self._offered = dict(self.state.slots)
        self._dirty = True
        self.empty_at = 0.0
        """When ``read`` last found nothing, monotonic s; 0 for never."""

    def read(self) -> Portion | None:
        """The next records, or None when there are none at this moment."""
        for directory in segment.slot_directories(self.directory):
            slot = int(directory.name)
            if slot not in self._cursors:
                self._cursors[slot] = self._open(slot, directory)
        for cursor in self._cursors.values():
            while not cursor.left and self._fill(cursor):
                pass
        missing = {slot: item.missing for slot, item in self._cursors.items() if item.missing}
        records, starts = self._merge()
        slots = {}
        for cursor in self._cursors.values():
            if cursor.missing:
                cursor.missing = Counter()
            position = cursor.position()
            if position and position != self._offered.get(cursor.slot):
                slots[cursor.slot] = position
        self._offered |= slots
        if slots or missing:
            return Portion(records, slots, missing, starts)
        self.empty_at = time.monotonic()
        return None

    def commit(self, portion: Portion, fates: Mapping[Fate, int]) -> None:
        """Note a portion as delivered; ``fates`` says what became of each of its records.

        Portions are committed in the order in which they were read. After the ``prefix`` of one
        comes ``rewind``.
        """
        self.state.slots |= portion.slots
        for gone in portion.missing.values():
            self.state.count(gone)
        self.state.count(fates)
        if portion.slots:
            self.state.last_success = time.time_ns()
        self._dirty = True

    def rewind(self) -> None:
        """Read again from what is committed; nothing is handed over any more. Raises OSError."""
        self.close()
        self._cursors.clear()
        self._offered = dict(self.state.slots)
        if self.state.handed:
            # At once: a kill must not make it delivered.
            self.save()

    def failed(self, reason: str) -> None:
        """Note why the receiver does not take records at the moment."""
        self.state.connected = False
        self.state.last_failure = time.time_ns()
        self.state.last_error = reason
        self._dirty = True

    def connected(self) -> None:
        """Note that the receiver can be reached."""
        self.state.connected = True
        self._dirty = True

    def save(self, handed: Iterable[tuple[Portion, Mapping[Fate, int]]] = ()) -> None:
        """Write the state, then remove the links that it says are finished. Raises OSError.

        ``handed`` are the portions that are handed over and not committed. First the state, then
        the links: one that is gone before its progress is written would count as missing after a
        kill. When the state cannot be written they are removed all the same, for it may be their
        room on the disk that is lacking.
        """
        slots: dict[int, Position] = {}
        fates: dict[Fate, int] = {}
        for portion, counts in handed:
            slots |= portion.slots
            for part in (counts, *portion.missing.values()):
                for fate, count in part.items():
                    fates[fate] = fates.get(fate, 0) + count
        if not self.state.hand_over(slots, fates) and not self._dirty:
            return
        try:
            self.state.written = time.time_ns()
            state_file.save(self.directory, self.state)
            self._dirty = False
        finally:
            for slot, position in self.state.slots.items():
                for found in _in_order(self.directory / f"{slot:02d}"):
                    older = found.uid < position.segment
                    if older or (position.finished and found.uid == position.segment):
                        found.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close all segments."""
        for cursor in self._cursors.values():
            cursor.close()

    def _open(self, slot: int, directory: Path) -> _Cursor:
        position = self.state.slots.get(slot)
        if position is None:
            return _Cursor(slot, directory, number=links.read_origin(directory))
        return _Cursor(
            slot,
            directory,
            position.segment,
            position.number,
            base=position.octets,
            finished=position.finished,
            damaged=position.damaged,
        )

    def _merge(self) -> tuple[list[Record], dict[int, Position]]:
        """Take the records that no slot can have an older one for; and where each slot began."""
        cursors = [cursor for cursor in self._cursors.values() if cursor.left]
        held_up = [cursor for cursor in cursors if cursor.more]
        first = min(held_up, key=lambda cursor: cursor.buffer[-1].id, default=None)
        taken: list[Record] = []
        starts: dict[int, Position] = {}
        for cursor in cursors:
            end = len(cursor.buffer)
            if first and cursor is not first:
                last = first.buffer[-1].id
                end = bisect_right(cursor.buffer, last, lo=cursor.taken, key=lambda item: item.id)
            taken += cursor.buffer[cursor.taken : end]
            assert cursor.number is not None  # noqa: S101 (set with the first segment)
            starts[cursor.slot] = Position(
                cursor.uid, cursor.base, cursor.number, damaged=cursor.damaged
            )
            cursor.number += end - cursor.taken
            cursor.taken = end
        if len(cursors) > 1:
            taken.sort(key=lambda item: item.id)
        return taken, starts

    def _fill(self, cursor: _Cursor) -> bool:
        """Read on in a slot whose buffer is empty; False when there is nothing at this moment."""
        if cursor.claim and not cursor.claim.segment.path.exists():
            cursor.close()  # it had to make room
        if cursor.claim is None and not self._next_segment(cursor):
            return False
        claim = cursor.claim
        assert claim is not None  # noqa: S101
        offset = cursor.base + (cursor.buffer[-1].end if cursor.buffer else 0)
        data = os.pread(claim.file, READ_BYTES, offset)
        ended = False
        if len(data) < READ_BYTES:
            # Is it complete? Then only what is read after the answer counts.
            ended = self._has_ended(cursor, claim)
            if ended:
                data = os.pread(claim.file, READ_BYTES, offset)
        records = run.unpack(data)
        if not records and len(data) == READ_BYTES:
            data = os.pread(claim.file, MIN_READ_BYTES, offset)
            records = run.unpack(data)
        cursor.base, cursor.buffer, cursor.taken = offset, records, 0
        claim.offset = offset
        cursor.more = ended or len(data) >= READ_BYTES
        if records:
            return False
        if data:
            if ended:
                claim.segment = claim.segment._replace(records=0)  # no more can be written
            skipped = claim.skip_damage(data)
            # Or a record that a killed writer did not finish: then none will be missing.
            cursor.damaged = cursor.damaged or skipped > 0
            cursor.base += skipped
            if skipped:
                return True
        if ended and not cursor.finished:
            self._finish(cursor, claim)
            return True
        return False

    def _next_segment(self, cursor: _Cursor) -> bool:
        """Open the segment that is to be read, or the oldest one behind it."""
        for found in _in_order(cursor.directory):
            same = found.uid == cursor.uid
            if found.uid < cursor.uid or (same and cursor.finished):
                continue
            try:
                file = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            cursor.claim = Claim(found, file)
            if not same:
                self._count_missing(cursor, found.first_record)
                cursor.uid, cursor.base = found.uid, HEADER_BYTES
                cursor.damaged = cursor.finished = False
            cursor.buffer, cursor.taken = [], 0
            return True
        return False

    def _has_ended(self, cursor: _Cursor, claim: Claim) -> bool:
        """Whether nothing will be appended to the segment any more."""
        if any(found.uid > cursor.uid for found in _in_order(cursor.directory)):
            return True
        directory = self._journal / claim.segment.path.parent.name
        with held(directory) as is_free:
            if is_free:
                reconcile(self._counters, cursor.slot, directory)
            # Ingest may have taken a slot whose writer is gone.
            return is_free or self._counters.slot(cursor.slot)[Field.ROLE] == Role.INGEST

    def _finish(self, cursor: _Cursor, claim: Claim) -> None:
        """At the end of a segment: what follows it, or the count of its writer, tells the rest."""
        following = [found for found in _in_order(cursor.directory) if found.uid > cursor.uid]
        end = following[0].first_record if following else None
        if end is None:
            directory = self._journal / claim.segment.path.parent.name
            with held(directory) as is_free:
                if is_free:
                    end = self._counters.slot(cursor.slot)[Field.JOURNALED]
        if end is not None:
            self._count_missing(cursor, end)
        cursor.finished = True
        cursor.close()

    @staticmethod
    def _count_missing(cursor: _Cursor, number: int) -> None:
        """Records from where the cursor stands up to ``number`` are gone."""
        if cursor.number is not None and number > cursor.number:
            fate = Fate.DAMAGED if cursor.damaged else Fate.BACKLOG
            cursor.missing[fate] += number - cursor.number
        # A lower number is that of a journal that was made anew, or of a power cut.
        cursor.number = number


def _in_order(directory: Path) -> list[Segment]:
    """The linked segments of a slot by age: numbers may have begun anew."""
    return sorted(segment.in_slot(directory), key=lambda found: found.uid)
