# SPDX-License-Identifier: GPL-2.0-or-later
"""One direction of a TCP connection: segments as captured in, bytes in their order out.

Overlap policy, *first bytes win*: a byte that was captured once is never replaced by a later one
with the same sequence number, whether it was handed out already or waits behind a gap. So a
retransmission changes nothing, and a keep-alive probe (one byte that was sent before, RFC 9293
§3.8.4) neither.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import Final

MASK: Final = 0xFFFF_FFFF
"""Sequence numbers count modulo 2**32 (RFC 9293 §3.4)."""
_HALF: Final = 0x8000_0000
WINDOW: Final = 1 << 24
"""Bytes between the next byte and a segment, either way, up to which both are of one connection:
far above the window of any SIP connection, far below the distance of two random numbers."""
PIECE_COST: Final = 200
"""Bytes of memory that a waiting piece takes beside its own."""

_BEGIN: Final = itemgetter(0)

Chunk = tuple[int, bytes]
"""Capture time in µs and bytes."""


def distance(sequence: int, origin: int) -> int:
    """How many bytes ``sequence`` is ahead of ``origin``; negative when behind."""
    return ((sequence - origin + _HALF) & MASK) - _HALF


class Reassembly:
    """What was seen of one direction. It bounds nothing itself: its user looks at ``held``."""

    __slots__ = ("_waiting", "end", "held", "next", "since")

    def __init__(self, sequence: int) -> None:
        self.next = sequence
        """Sequence number of the next byte in order; not taken modulo 2**32 while bytes wait."""
        self._waiting: list[tuple[int, bytes, int]] = []
        """Number of the first byte, bytes, time: in order, apart, none of them empty."""
        self.held = 0
        """Memory of the waiting pieces in bytes; 0 if nothing waits."""
        self.since = 0
        """Time of the piece that showed the present gap."""
        self.end: int | None = None
        """Sequence number behind the last byte, once FIN or RST has named it."""

    @property
    def pieces(self) -> int:
        """How many pieces wait behind a gap."""
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether all bytes up to the end were handed out."""
        return self.end is not None and distance(self.end, self.next) <= 0

    def add(self, sequence: int, data: bytes, time: int) -> list[Chunk] | None:
        """The chunks that are in order with this segment; empty if it waits.

        None: all its bytes were captured before.
        """
        ahead = distance(sequence, self.next)
        if ahead < 0:
            data, ahead = data[-ahead:], 0
        if not data:
            return None
        if not ahead:
            return self._hand_out(data, time)
        return [] if self._keep(self.next + ahead, data, time) else None

    def skip(self) -> list[Chunk]:
        """Give up the gap: the chunks behind it, up to the next one."""
        if not self._waiting:
            return []
        self.next = self._waiting[0][0]
        return self._hand_out(b"", 0)

    def _hand_out(self, data: bytes, time: int) -> list[Chunk]:
        """``data``, which begins at ``next``, and what waited for it."""
        waiting = self._waiting
        if not waiting:
            self.next = (self.next + len(data)) & MASK
            return [(time, data)]
        chunks: list[Chunk] = []
        origin = at = self.next
        end = origin + len(data)
        used = 0
        for begin, piece, arrived in waiting:
            if begin > at:
                if begin > end:
                    break
                chunks.append((time, data[at - origin : begin - origin]))
            chunks.append((arrived, piece))
            at = begin + len(piece)
            self.held -= len(piece) + PIECE_COST
            used += 1
        if at < end:
            chunks.append((time, data[at - origin :]))
            at = end
        del waiting[:used]
        if waiting:
            self.next, self.since = at, waiting[0][2]
        else:
            self.next = at & MASK
        return chunks

    def _keep(self, begin: int, data: bytes, time: int) -> bool:
        """Put bytes that lie ahead among those that wait; False if all of them do already."""
        waiting = self._waiting
        end = begin + len(data)
        first = bisect_left(waiting, begin + 1, key=_BEGIN)
        if first:
            before, piece, _ = waiting[first - 1]
            known = before + len(piece) - begin
            if known > 0:
                data, begin = data[known:], begin + known
        last = bisect_left(waiting, end, first, key=_BEGIN)
        if last > first:
            after, piece, _ = waiting[last - 1]
            if after + len(piece) > end:
                data, last = data[: max(after - begin, 0)], last - 1
        if not data:
            return False
        is_new = True
        if last > first:
            # It covers whole pieces: one piece takes their place, so that none is visited again.
            inside = waiting[first:last]
            data = _under(inside, begin, data)
            known = sum([len(piece) for _, piece, _ in inside])
            self.held -= known + PIECE_COST * len(inside)
            time = inside[0][2] if inside[0][0] == begin else time
            is_new = known < len(data)
        if not waiting:
            self.since = time
        waiting[first:last] = [(begin, data, time)]
        self.held += len(data) + PIECE_COST
        return is_new


def _under(pieces: list[tuple[int, bytes, int]], begin: int, data: bytes) -> bytes:
    """``data`` with the pieces, all of which lie within it, laid over it."""
    whole = bytearray(data)
    for at, piece, _ in pieces:
        whole[at - begin : at - begin + len(piece)] = piece
    return bytes(whole)
