# SPDX-License-Identifier: GPL-2.0-or-later
"""SCTP packets in, user messages out: all DATA and I-DATA chunks (RFC 9260 §3.3.1, RFC 8260 §2.1).

The pieces of a message have consecutive numbers, TSN or FSN; neighbours are joined into runs until
one reaches from a piece marked B to a piece marked E. The run that was heard of longest ago goes
first when there are too many. The last ones that were completed are remembered, because lost
acknowledgements make pieces come again.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Final

from agent.count import Count
from agent.packet.fragments import IDLE, MAX_BYTES, PIECE_COST
from agent.packet.packet import Packet
from collector.hep import MAX_PACKET, PROTOCOL_SCTP

MAX_PIECES: Final = 32_768
"""Of all incomplete messages."""
MAX_MESSAGE: Final = MAX_PACKET
"""Bytes of a user message; a HEP packet cannot hold more."""
_DONE: Final = 64
"""Messages in pieces that are remembered when complete."""

_DATA: Final = 0
_I_DATA: Final = 64
_HEADER_SIZES: Final = {_DATA: 16, _I_DATA: 20}
_UNORDERED: Final = 4
_BEGIN: Final = 2
_END: Final = 1
_WHOLE: Final = _BEGIN | _END
_LAST_NUMBER: Final = 0xFFFF_FFFF

_USED: Final = int(Count.USED)
_FOUND: Final = int(Count.FOUND)
_EMPTY: Final = int(Count.EMPTY)
_REPEATED: Final = int(Count.REPEATED)
_SHORT: Final = int(Count.SHORT)
_BAD_HEADER: Final = int(Count.BAD_HEADER)
_TRUNCATED: Final = int(Count.TRUNCATED)
_INCOMPLETE: Final = int(Count.INCOMPLETE)
_CROWDED_OUT: Final = int(Count.CROWDED_OUT)
_SCTP_CUT: Final = int(Count.SCTP_CUT)
_SCTP_TOO_LARGE: Final = int(Count.SCTP_TOO_LARGE)

_COMMON_SIZE: Final = 12
_ports: Final = Struct(">HH").unpack_from
_chunk: Final = Struct(">BBH").unpack_from
_number: Final = Struct(">I").unpack_from

_Group = tuple[bytes, bytes, bytes, bytes]
"""Addresses, ports with verification tag, and what the pieces of a message share."""


class _Run:
    """Neighbouring pieces, ``first`` to ``first + count - 1``."""

    __slots__ = ("begins", "bytes", "count", "ends", "first", "group", "pieces", "time")

    def __init__(self, time: int, group: _Group, number: int, flags: int, piece: bytes) -> None:
        self.time = time
        self.group = group
        self.first = number
        self.count = 1
        self.begins = bool(flags & _BEGIN)
        self.ends = bool(flags & _END)
        self.pieces = [piece]
        self.bytes = len(piece)

    def numbers(self) -> list[tuple[_Group, int]]:
        return [(self.group, self.first + i & _LAST_NUMBER) for i in range(self.count)]

    def take(self, right: _Run) -> None:
        """Joins ``right``, whose first piece follows this one's last."""
        self.pieces += right.pieces
        self.count += right.count
        self.bytes += right.bytes
        self.ends = right.ends

    def take_before(self, left: _Run) -> None:
        """Joins ``left``, whose last piece comes before this one's first."""
        self.pieces[:0] = left.pieces
        self.first = left.first
        self.count += left.count
        self.bytes += left.bytes
        self.begins = left.begins


class Sctp:
    """Reads the SCTP packets of one worker. Counts messages that it gives up as found and lost."""

    def __init__(self, counts: memoryview) -> None:
        self._counts = counts
        self._at: dict[tuple[_Group, int], _Run] = {}
        """Every piece, complete messages' too → the run that it is part of."""
        self._runs: dict[_Run, None] = {}
        """Incomplete ones; the one heard of longest ago comes first."""
        self._pieces = 0
        self._bytes = 0
        self._done: deque[_Run] = deque()

    def __len__(self) -> int:
        """Pieces that wait."""
        return self._pieces

    def read(
        self, time: int, data: bytes, at: int, end: int, src_ip: bytes, dst_ip: bytes, vlan: int
    ) -> list[Packet] | int:
        """The user messages that this SCTP packet holds or completes, or a ``Count``.

        Args:
            time: capture time, µs; also that of the messages.
            data: holds the packet from ``at`` to ``end``, and less of it if it was cut off.
            at: where the packet begins.
            end: where it ends; above ``len(data)`` if it was cut off.
            src_ip: address of the IP header, as is ``dst_ip``.
            dst_ip: see there.
            vlan: VLAN id.
        """
        limit = min(end, len(data))
        if limit - at < _COMMON_SIZE:
            return _SHORT
        src_port, dst_port = _ports(data, at)
        association = data[at : at + 8]
        packets = []
        result = _EMPTY
        cut = False
        at += _COMMON_SIZE
        while limit - at >= 4:
            kind, flags, length = _chunk(data, at)
            stop = at + length
            header = _HEADER_SIZES.get(kind, 4)
            if stop > limit or length < header:
                cut = header > 4
                result = result if result != _EMPTY else _BAD_HEADER
                break
            if header > 4 and length > header:
                payload = data[at + header : stop]
                whole: bytes | int = payload
                if flags & _WHOLE != _WHOLE:
                    shared = kind.to_bytes(1, "big") + _shared(kind, flags, data, at)
                    if kind == _DATA:
                        (number,) = _number(data, at + 4)
                    else:
                        number = 0 if flags & _BEGIN else _number(data, at + 16)[0]
                    group = (src_ip, dst_ip, association, shared)
                    whole = self._add(_Run(time, group, number, flags, payload))
                if isinstance(whole, int):
                    result = result if result == _USED else whole
                else:
                    packets.append(
                        Packet(
                            *(time, PROTOCOL_SCTP, src_ip, dst_ip, src_port, dst_port, vlan, whole)
                        )
                    )
            at += length + 3 & ~3
        if (cut or end > limit) and (packets or result == _USED):
            self._counts[_FOUND] += 1
            self._counts[_SCTP_CUT] += 1
        if packets:
            return packets
        return _TRUNCATED if end > len(data) and result != _USED else result

    def expire(self, now: int) -> None:
        """Gives up what has been waiting for ``IDLE`` on the capture clock, or is from its future.

        Args:
            now: time of the newest frame, µs.
        """
        runs = self._runs
        while runs and abs(now - (run := next(iter(runs))).time) > IDLE:
            self._give_up(run, _INCOMPLETE)
        done = self._done
        while done and abs(now - done[0].time) > IDLE:
            self._forget(done.popleft())

    def _add(self, run: _Run) -> bytes | int:
        """The message that this piece completes, or a ``Count``."""
        at = self._at
        group = run.group
        number = run.first
        if (group, number) in at:
            return _REPEATED
        at[group, number] = run
        self._runs[run] = None
        self._pieces += 1
        self._bytes += run.bytes
        if not run.begins:
            left = at.get((group, number - 1 & _LAST_NUMBER))
            if left is not None and not left.ends:
                run = self._join(left, run)
        if not run.ends:
            right = at.get((group, number + 1 & _LAST_NUMBER))
            if right is not None and not right.begins:
                run = self._join(run, right)
        if run.bytes > MAX_MESSAGE:
            # Its numbers stay, so that the rest of it finds its place; its bytes need not.
            self._bytes -= sum(map(len, run.pieces))
            run.pieces = []
        if run.begins and run.ends:
            return self._finish(run)
        while self._pieces > MAX_PIECES or self._bytes + self._pieces * PIECE_COST > MAX_BYTES:
            self._give_up(next(iter(self._runs)), _CROWDED_OUT)
        return _USED

    def _join(self, left: _Run, right: _Run) -> _Run:
        """One run of two; the smaller one moves, so that joining n pieces takes n log n steps."""
        runs = self._runs
        del runs[left]
        del runs[right]
        time = max(left.time, right.time)
        if left.count >= right.count:
            moved = right.numbers()
            left.take(right)
            kept = left
        else:
            moved = left.numbers()
            right.take_before(left)
            kept = right
        for place in moved:
            self._at[place] = kept
        kept.time = time
        runs[kept] = None
        return kept

    def _finish(self, run: _Run) -> bytes | int:
        whole = b"".join(run.pieces)
        self._release(run)
        run.pieces = []
        self._done.append(run)
        if len(self._done) > _DONE:
            self._forget(self._done.popleft())
        if run.bytes > MAX_MESSAGE:
            self._counts[_FOUND] += 1
            self._counts[_SCTP_TOO_LARGE] += 1
            return _USED
        return whole

    def _release(self, run: _Run) -> None:
        del self._runs[run]
        self._pieces -= run.count
        self._bytes -= sum(map(len, run.pieces))

    def _forget(self, run: _Run) -> None:
        for place in run.numbers():
            del self._at[place]

    def _give_up(self, run: _Run, cause: int) -> None:
        self._release(run)
        self._forget(run)
        self._counts[_FOUND] += 1
        self._counts[cause] += 1


def _shared(kind: int, flags: int, data: bytes, at: int) -> bytes:
    """What tells the message of a piece from others: stream and, where it has one, its number."""
    if kind == _I_DATA:
        return data[at + 8 : at + 16] + (b"u" if flags & _UNORDERED else b"")
    return data[at + 8 : at + 10] if flags & _UNORDERED else data[at + 8 : at + 12]
