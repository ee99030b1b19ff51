# SPDX-License-Identifier: GPL-2.0-or-later
"""IP fragments in, datagrams out: RFC 791 §3.2 and RFC 8200 §4.5. No input, no output, no clock.

**Overlap.** A fragment that overlaps another one discards the whole datagram, with all that still
comes of it: RFC 5722 for IPv6, and what Linux does for IPv4 as well, so that the agent sees what
the host behind it sees. Bytes that are there already are a repetition and harmless.

**Bounds.** A fragment other than the last has 8 bytes or more, none overlaps, and a datagram ends
at 65,535: it can have no more than 8,192 of them. ``MAX_DATAGRAMS`` and ``MAX_BYTES`` bound all
together; the one that was heard of longest ago goes first.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from agent.count import Count
from collector.hep import PROTOCOL_UDP

MAX_DATAGRAM: Final = 65_535
"""Bytes of payload of one datagram."""
MAX_DATAGRAMS: Final = 4_096
"""Incomplete at the same time."""
MAX_BYTES: Final = 16 << 20
"""Of all incomplete datagrams, with ``PIECE_COST`` for each fragment."""
PIECE_COST: Final = 128
"""Bytes of memory that a fragment takes beside its payload."""
IDLE: Final = 30_000_000
"""µs of the capture clock after the last fragment: as long as Linux waits (``ipfrag_time``)."""
_DONE: Final = 64
"""Datagrams that are remembered when complete: seen on several interfaces, fragments come again."""
_ECHO: Final = 100_000
"""µs in which that happens. SIP sends again after 500 ms, some hosts under the same number."""

_USED: Final = int(Count.USED)
_FOUND: Final = int(Count.FOUND)
_REPEATED: Final = int(Count.REPEATED)
_BAD_FRAGMENT: Final = int(Count.BAD_FRAGMENT)
_INCOMPLETE: Final = int(Count.INCOMPLETE)
_CROWDED_OUT: Final = int(Count.CROWDED_OUT)
_UNIDENTIFIED: Final = int(Count.UNIDENTIFIED)
_UNKNOWN: Final = -1

Key = tuple[bytes, bytes, int, int, int]
"""Source, destination, identification, protocol; VLAN id, and above its bits the tunnels around."""


class _Datagram:
    """The fragments so far, in the order of their offsets."""

    __slots__ = ("bytes", "pieces", "protocol", "refused", "starts", "time", "total")

    def __init__(self) -> None:
        self.time = 0
        self.starts: list[int] = []
        self.pieces: list[bytes] = []
        self.bytes = 0
        self.total = 0
        """Bytes of the whole; 0 until the last fragment is there."""
        self.protocol = _UNKNOWN
        """As the first fragment says, which alone may know."""
        self.refused = False

    def add(self, offset: int, piece: bytes, *, more: bool) -> int:
        """``USED``, or why it cannot be used."""
        end = offset + len(piece)
        starts = self.starts
        pieces = self.pieces
        index = bisect_right(starts, offset)
        if index:
            before = offset - starts[index - 1]
            previous = pieces[index - 1]
            if before < len(previous):
                known = previous[before : before + len(piece)] == piece
                return _REPEATED if known and (more or end == self.total) else _BAD_FRAGMENT
        if index < len(starts) and (starts[index] < end or not more):
            return _BAD_FRAGMENT
        if self.total and end > self.total - more:
            return _BAD_FRAGMENT
        starts.insert(index, offset)
        pieces.insert(index, piece)
        self.bytes += len(piece)
        if not more:
            self.total = end
        return _USED


class Fragments:
    """Puts the datagrams of one worker together.

    ``expire`` and ``add`` count what is given up: a UDP datagram whose first fragment was seen
    counts as a message found and lost, because messages come in such. Any other one stands beside
    the balance of messages: the filter keeps the first fragments of foreign traffic out but not the
    later ones, and what TCP misses its stream counts.
    """

    def __init__(self, counts: memoryview) -> None:
        self._counts = counts
        self._datagrams: dict[Key, _Datagram] = {}
        """The one heard of longest ago comes first."""
        self._memory = 0
        self._done: dict[Key, tuple[int, bytes]] = {}

    def __len__(self) -> int:
        return len(self._datagrams)

    @property
    def memory(self) -> int:
        """Bytes in use, as ``MAX_BYTES`` counts it."""
        return self._memory

    def add(
        self, time: int, key: Key, protocol: int, offset: int, piece: bytes, *, more: bool
    ) -> tuple[int, bytes] | int:
        """The protocol and payload of the datagram that this fragment completes, or a ``Count``.

        Args:
            time: capture time, µs.
            key: what the fragments of one datagram have in common.
            protocol: of the payload; that of the fragment with offset 0 counts.
            offset: of ``piece`` in the payload, bytes.
            piece: the fragment's part of the payload, all of it.
            more: another fragment follows.
        """
        size = len(piece)
        if not size or (more and size & 7) or offset + size > MAX_DATAGRAM:
            return _BAD_FRAGMENT
        datagrams = self._datagrams
        datagram = datagrams.pop(key, None)
        if datagram is not None and abs(time - datagram.time) > IDLE:
            self._give_up(datagram, _INCOMPLETE)
            datagram = None
        if datagram is None:
            if self._is_repeated(time, key, offset, piece):
                return _REPEATED
            datagram = _Datagram()
        datagrams[key] = datagram
        datagram.time = time
        if datagram.refused:
            return _BAD_FRAGMENT
        result = datagram.add(offset, piece, more=more)
        if result != _USED:
            if result == _BAD_FRAGMENT:
                self._refuse(datagram)
            return result
        self._memory += size + PIECE_COST
        if not offset:
            datagram.protocol = protocol
        if datagram.bytes == datagram.total:
            del datagrams[key]
            return self._finish(time, key, datagram)
        if self._memory > MAX_BYTES or len(datagrams) > MAX_DATAGRAMS:
            self._make_room()
        return _USED

    def expire(self, now: int) -> None:
        """Gives up what has been waiting for ``IDLE`` on the capture clock, or is from its future.

        Args:
            now: time of the newest frame, µs.
        """
        datagrams = self._datagrams
        while datagrams:
            key = next(iter(datagrams))
            if abs(now - datagrams[key].time) <= IDLE:
                break
            self._give_up(datagrams.pop(key), _INCOMPLETE)

    def _is_repeated(self, time: int, key: Key, offset: int, piece: bytes) -> bool:
        """Identifications come again soon, so only the bytes tell a repetition from news."""
        done = self._done.get(key)
        if done is None or abs(time - done[0]) > _ECHO:
            return False
        return done[1][offset : offset + len(piece)] == piece

    def _finish(self, time: int, key: Key, datagram: _Datagram) -> tuple[int, bytes]:
        self._memory -= _cost(datagram)
        whole = b"".join(datagram.pieces)
        done = self._done
        done.pop(key, None)
        done[key] = time, whole
        if len(done) > _DONE:
            del done[next(iter(done))]
        return datagram.protocol, whole

    def _refuse(self, datagram: _Datagram) -> None:
        """Only the memory of it stays, so that later fragments do not begin it anew."""
        self._memory -= _cost(datagram)
        datagram.refused = True
        datagram.starts = []
        datagram.pieces = []
        datagram.bytes = 0

    def _make_room(self) -> None:
        datagrams = self._datagrams
        while self._memory > MAX_BYTES or len(datagrams) > MAX_DATAGRAMS:
            self._give_up(datagrams.pop(next(iter(datagrams))), _CROWDED_OUT)

    def _give_up(self, datagram: _Datagram, cause: int) -> None:
        self._memory -= _cost(datagram)
        if datagram.protocol == PROTOCOL_UDP:
            self._counts[_FOUND] += 1
            self._counts[cause] += 1
        else:
            self._counts[_UNIDENTIFIED] += 1


def _cost(datagram: _Datagram) -> int:
    return datagram.bytes + len(datagram.pieces) * PIECE_COST
