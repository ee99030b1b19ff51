# SPDX-License-Identifier: GPL-2.0-or-later
"""What one capture worker learns of calls, told to the others.

The kernel spreads packets over workers by their addresses (-fg, -fw), so SIP and RTCP of a call
come to different ones. Each worker has a pipe that the others write to: a write of up to PIPE_BUF
bytes is atomic, so several writers need no lock. Nobody waits: what does not fit is dropped.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

PIPE_BYTES: Final = 1 << 20
"""Room of a worker for what it has not read; the most that Linux gives to an ordinary user."""
_READ_BYTES: Final = 65_536
_MAX_RECORD: Final = 4096
"""PIPE_BUF of Linux."""

_HEAD: Final = struct.Struct(">HqHB")


class Learnt(NamedTuple):
    """Where the RTCP of a call goes."""

    expires: int
    """µs since 1970."""
    call_id: bytes
    named: tuple[bytes, ...]
    """Addresses that its SDP names: 4 or 16 bytes and 2 of the port."""
    guessed: tuple[bytes, ...]
    """Where the sender may be seen instead, behind an address translation."""


class Share:
    """One worker's end: its own pipe to read, those of the others to write."""

    def __init__(self, own: int, others: Sequence[int]) -> None:
        self._own = own
        self._others = tuple(others)
        self._rest = b""

    @classmethod
    def mesh(cls, workers: int) -> list[Share]:
        """One for each worker, to be made before the fork."""
        pipes = [os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) for _ in range(workers)]
        for _, write in pipes:
            with suppress(OSError):  # Above what the user may have: the usual 64 KB then.
                fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return [
            cls(read, [write for number, (_, write) in enumerate(pipes) if number != own])
            for own, (read, _) in enumerate(pipes)
        ]

    def fileno(self) -> int:
        """Readable when another worker has told something."""
        return self._own

    def tell(self, learnt: Learnt) -> int:
        """Tell the others; returns how many of them had no room."""
        keys = b"".join(
            [len(key).to_bytes(1) + key for keys in (learnt.named, learnt.guessed) for key in keys]
        )
        size = _HEAD.size + len(learnt.call_id) + len(keys)
        if size > _MAX_RECORD:
            return len(self._others)
        head = _HEAD.pack(size, learnt.expires, len(learnt.call_id), len(learnt.named))
        record = head + learnt.call_id + keys
        missed = 0
        for pipe in self._others:
            try:
                os.write(pipe, record)
            except (BlockingIOError, BrokenPipeError):
                missed += 1
        return missed

    def receive(self) -> Iterator[Learnt]:
        """What the others have told; never waits. What comes meanwhile may be left for later."""
        for _ in range(PIPE_BYTES // _READ_BYTES):
            try:
                data = os.read(self._own, _READ_BYTES)
            except BlockingIOError:
                return
            yield from self._records(self._rest + data)
            if len(data) < _READ_BYTES:
                return

    def _records(self, data: bytes) -> Iterator[Learnt]:
        position = 0
        while position + _HEAD.size <= len(data):
            size, expires, call_id_size, named = _HEAD.unpack_from(data, position)
            end = position + size
            if end > len(data):
                break
            at = position + _HEAD.size + call_id_size
            call_id = data[at - call_id_size : at]
            keys = []
            while at < end:
                width = data[at]
                keys.append(data[at + 1 : at + 1 + width])
                at += 1 + width
            position = end
            yield Learnt(expires, call_id, tuple(keys[:named]), tuple(keys[named:]))
        self._rest = data[position:]

    def close(self) -> None:
        """Close this worker's end."""
        for pipe in (self._own, *self._others):
            with suppress(OSError):
                os.close(pipe)
