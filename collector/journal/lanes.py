# SPDX-License-Identifier: GPL-2.0-or-later
"""Lanes: the messages of one call go to the same ingest process, whichever worker receives them.

Each UDP worker has a segment per lane, and each ingest process reads the segments of its own lane.
So the messages of a call meet in one process, and their row is updated half as often as if two
processes knew half of the call each. It is no more than a preference: lanes change nothing of what
is stored, and a process takes what nobody else reads, whatever its lane.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zlib import crc32

from collector.causes import Cause
from collector.journal.counters import NO_LANE, SLOTS
from collector.journal.writer import Writer
from collector.settings import Settings
from collector.settings.endpoint import UDP, parse_endpoint

_SPARE_SLOTS: Final = 8
"""Kept for the listener and for processes that come while others end."""

_CALL_ID: Final = b"\nCall-ID:"
_COMPACT: Final = b"\ni:"


class Lanes:
    """The journal of a process that receives the messages of many calls: a writer per lane."""

    def __init__(self, count: int, open_writer: Callable[[int], Writer]) -> None:
        """``open_writer`` makes the writer of a lane, ``NO_LANE`` if there is only one.

        Raises JournalError when the directory cannot be used.
        """
        lanes = range(1, count + 1) if count > 1 else (NO_LANE,)
        self.writers = [open_writer(lane) for lane in lanes]
        """In the order of their lanes."""
        self._count = len(self.writers)
        self._turn = 0
        self.slot = self.writers[0].slot
        """The first of the slots."""
        self.last_error = ""
        """Why the last packet was dropped, for the log."""

    def append(self, packet: bytes, peer: bytes, port: int, transport: int) -> Cause | None:
        """As ``Writer.append``."""
        writer = self.writers[self._lane(packet) if self._count > 1 else 0]
        cause = writer.append(packet, peer, port, transport)
        if cause is not None:
            self.last_error = writer.last_error
        return cause

    def drop(self, cause: Cause) -> None:
        """As ``Writer.drop``."""
        self.writers[0].drop(cause)

    def close(self) -> None:
        """As ``Writer.close``, for all."""
        for writer in self.writers:
            writer.close()

    def _lane(self, packet: bytes) -> int:
        """By the Call-ID as most write it (RFC 3261 §20.8); packets without take turns.

        The packet is looked at as it came, so a header in another spelling, or a compressed
        payload, is a packet without.
        """
        begin = packet.find(_CALL_ID) + len(_CALL_ID)
        if begin < len(_CALL_ID):
            begin = packet.find(_COMPACT) + len(_COMPACT)
            if begin < len(_COMPACT):
                self._turn += 1
                return self._turn % self._count
        return crc32(packet[begin : packet.find(b"\n", begin)].strip()) % self._count


def lanes_of(settings: Settings) -> int:
    """How many lanes a UDP worker has: one for each ingest process, as far as there are slots.

    One where calls are not kept, or where the ingest processes are not known.
    """
    processes = settings.ingest.processes
    sockets = sum(parse_endpoint(listen).protocol == UDP for listen in settings.hep.listen)
    room = (SLOTS - _SPARE_SLOTS - processes) // max(1, settings.hep.workers * sockets)
    return max(1, min(processes, room)) if settings.correlation.calls else 1


class Home:
    """The lane that a reading process has to itself; given back when the process ends."""

    def __init__(self, journal: Path) -> None:
        """Take the first lane that nobody has."""
        self._journal = journal
        for lane in range(1, SLOTS + 1):
            file = self._try(lane)
            if file >= 0:
                self.lane, self._file = lane, file
                return
        self.lane, self._file = NO_LANE, -1

    def is_read_by_another(self, lane: int) -> bool:
        """Whether a process has that lane, not counting this one."""
        file = self._try(lane)
        if file >= 0:
            os.close(file)
        return file < 0

    def close(self) -> None:
        """Give the lane back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _try(self, lane: int) -> int:
        """The lock's descriptor; -1 if somebody has it."""
        path = self._journal / f"lane-{lane:02d}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return -1
        return file
