# SPDX-License-Identifier: GPL-2.0-or-later
"""The counter file: shared memory that survives the end of every process that writes to it.

Each process of the capture node owns one slot of 64 unsigned 64-bit numbers; nobody else writes
there while it lives. Totals are sums over all slots since the journal was created, so a process
that is killed loses no count. One more block holds what belongs to the node as a whole.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Final

from collector.causes import CAUSES, Cause
from collector.errors import JournalError
from collector.journal.record import SLOT_BITS

SLOTS: Final = 1 << SLOT_BITS
_FIELDS: Final = 64
_CAUSE_FIELD: Final = 32
MOST_CAUSES: Final = _FIELDS - _CAUSE_FIELD
"""Causes that there is room for; files that outlive upgrades have as many places."""
_HEADER: Final = struct.Struct("<8sI4x16s")
_MAGIC: Final = b"KCOUNT01"
_HEADER_BYTES: Final = 64
_SLOT: Final = struct.Struct(f"{_FIELDS}Q")
_NODE_BLOCK: Final = _HEADER_BYTES // 8
_SLOT_BLOCK: Final = _NODE_BLOCK + _FIELDS
_FILE_BYTES: Final = (_SLOT_BLOCK + SLOTS * _FIELDS) * 8
FILE_NAME: Final = "counters"


class Role(IntEnum):
    """What the process in a slot does; 0 is a slot that was never used."""

    UNUSED = 0
    UDP = 1
    LISTENER = 2
    INGEST = 3
    AGENT = 4
    """A worker of the capture agent, in a journal of its own."""


class Field(IntEnum):
    """Positions in a slot. Never reuse or move one: the file outlives upgrades."""

    ROLE = 0
    PID = 1
    STARTED = 2
    """Start of the process that has or had the slot, ns since 1970."""
    RECEIVED = 3
    """Packets taken from a socket, counted before they are journaled."""
    JOURNALED = 4
    """Packets appended to the journal: also the number of the slot's next record."""
    JOURNALED_BYTES = 5
    LAST_PACKET = 6
    """Time of the last packet, ns since 1970."""
    LAST_COMMIT = 7
    """Ingest: time of the last commit, ns since 1970."""
    STORE_DOWN_SINCE = 8
    """Ingest: since when the database cannot be used, ns since 1970; 0 when it can."""
    HOOK_FAULTS = 9
    """Ingest: calls of the user's functions that failed."""
    CALLS_REFUSED = 10
    """Ingest: times that PostgreSQL did not take what messages say of a call or registration."""
    BUSY = 11
    """Ingest: thousandths of the last second or so in which it was not idle."""
    ALONE = 12
    """Ingest: 1 while this process, if it is the first, takes every segment; 0 while all share."""
    BEAT = 13
    """Listener, ingest: last turn of its event loop that was noted, ns since 1970."""
    PLAIN_HOP = 14
    """Ingest: 1 when its hop runs in plain Python, 0 when it is compiled."""


class NodeField(IntEnum):
    """Positions in the node's block."""

    KERNEL_DROPS = 0
    """Datagrams that the kernel dropped at our sockets since the journal was created."""
    PROCESSED = 1
    """Journal records that the database has confirmed, as last read from it."""
    PAUSED_AT = 2
    """Since when an operator wants nothing to be stored, ns since 1970; 0 if it is to be stored."""
    ROTATED_AT = 3
    """When an operator asked for new segments, ns since 1970."""
    FIRST_SOCKET = 8
    """From here on pairs: inode of a socket, its drops when last read."""


MAX_SOCKETS: Final = (_FIELDS - NodeField.FIRST_SOCKET) // 2


class Counters:
    """The mapped counter file of one journal.

    Opening creates it when there is none. ``journal_id`` identifies this journal in the database.
    """

    def __init__(self, journal: Path) -> None:
        """Map the file. Raises JournalError if the directory or file cannot be used."""
        try:
            journal.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._file = self._open(journal)
            self._map = mmap.mmap(self._file, _FILE_BYTES)
        except OSError as error:
            message = f"journal.directory {journal}: {error.strerror or error}"
            raise JournalError(message) from error
        magic, version, uid = _HEADER.unpack_from(self._map)
        if magic != _MAGIC or version != 1:
            self._map.close()
            os.close(self._file)
            message = f"{journal / FILE_NAME} is not a counter file of this version"
            raise JournalError(message)
        self.journal_id = uuid.UUID(bytes=uid)
        self._view = memoryview(self._map).cast("Q")

    @staticmethod
    def _open(journal: Path) -> int:
        directory = os.open(journal, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            path = journal / FILE_NAME
            if not path.exists():
                fresh = path.with_suffix(".new")
                head = _HEADER.pack(_MAGIC, 1, uuid.uuid4().bytes)
                fresh.write_bytes(head.ljust(_FILE_BYTES, b"\0"))
                fresh.rename(path)
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            if os.fstat(file).st_size != _FILE_BYTES:
                os.close(file)
                message = f"{path} has the wrong size; the journal was made by another version"
                raise JournalError(message)
            return file
        finally:
            os.close(directory)

    def slot(self, number: int) -> memoryview[int]:
        """The 64 numbers of a slot, writable, indexed by ``Field``."""
        begin = _SLOT_BLOCK + number * _FIELDS
        return self._view[begin : begin + _FIELDS]

    @property
    def node(self) -> memoryview[int]:
        """The node's block, indexed by ``NodeField``."""
        return self._view[_NODE_BLOCK : _NODE_BLOCK + _FIELDS]

    def used_slots(self) -> list[int]:
        """Numbers of the slots that a process has or once had."""
        return [n for n in range(SLOTS) if self.slot(n)[Field.ROLE]]

    def close(self) -> None:
        """Unmap the file."""
        self._view.release()
        self._map.close()
        os.close(self._file)


def add_cause(slot: memoryview[int], cause: Cause, count: int = 1) -> None:
    """Count packets of a slot that ended with ``cause`` before they reached the journal."""
    slot[_CAUSE_FIELD + cause] += count


def snapshot(slot: memoryview[int]) -> tuple[int, ...]:
    """All numbers of a slot, copied at once: its process may change them while they are read."""
    return _SLOT.unpack(slot.tobytes())


def cause_counts(slot: Sequence[int]) -> dict[Cause, int]:
    """Packets of a slot that ended before they reached the journal, by cause."""
    return {cause: slot[_CAUSE_FIELD + cause] for cause in CAUSES if slot[_CAUSE_FIELD + cause]}


@contextmanager
def held(directory: Path) -> Iterator[bool]:
    """Try the lock of a slot directory for the length of a block; False if a process has it."""
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)


def claim_slot(counters: Counters, journal: Path, role: Role, now_ns: int) -> tuple[int, int]:
    """Take a free slot for this process; returns its number and the lock's descriptor.

    Writers take the first free slot, ingest the last one without segments: holding the lock says
    that the slot's writer lives. The lock is released when the descriptor is closed or the process
    ends, however it ends. Raises JournalError when all slots are taken or cannot be used.
    """
    for number in reversed(range(SLOTS)) if role is Role.INGEST else range(SLOTS):
        directory = journal / f"{number:02d}"
        try:
            directory.mkdir(exist_ok=True, mode=0o750)
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            message = f"journal.directory {directory}: {error.strerror or error}"
            raise JournalError(message) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if role is Role.INGEST and any(directory.iterdir()):
            os.close(lock)
            continue
        slot = counters.slot(number)
        slot[Field.ROLE] = role
        slot[Field.PID] = os.getpid()
        slot[Field.STARTED] = now_ns
        return number, lock
    message = f"all {SLOTS} slots of {journal} are taken by running processes"
    raise JournalError(message)
