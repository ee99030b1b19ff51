# SPDX-License-Identifier: GPL-2.0-or-later
"""All TCP streams of one worker: segments in, whole messages out, within bounds of memory.

Who counts what: ``Streams`` counts the outcome of each segment that it is fed, exactly one of
``USED``, ``TCP_CONTROL``, ``TCP_REPEATED``, ``TCP_KEEPALIVE``, ``TCP_UNKNOWN`` and ``TLS``; the
frame that it came in has no other. Messages that it returns it does not count: they are ``FOUND``
where they are read, as those of UDP. A message that is lost in a stream was found and lost, and
both are counted here.

A segment is used if with it a message is whole, or if its last byte belongs to one as far as that
can be known, or if it waits behind a gap.

Times are those of the capture, in µs: a file is read like a wire. A gap is waited for ``GAP_WAIT``,
or until one stream holds ``MAX_WAITING`` bytes behind it; then the segments behind it are searched
for the next message. A stream is one direction of a connection in one VLAN.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, TypeAlias

from agent.count import Count
from agent.packet.packet import Packet
from agent.stream.reassembly import MASK, WINDOW, Chunk, Reassembly, distance
from agent.stream.sip_stream import SipStream, is_message
from collector.hep import PROTOCOL_TCP
from collector.sip import is_keepalive

GAP_WAIT: Final = 1_000_000
"""How long a gap may still be filled, in µs; so long, too, a stream is silent before a body without
Content-Length is taken to be whole, and before an end is believed behind a gap."""
IDLE: Final = 180_000_000
"""µs without a segment after which a stream is forgotten. It may go on: then it is joined."""
MAX_WAITING: Final = 1 << 20
"""Memory in bytes of what waits behind the gaps of one stream."""
MAX_PIECES: Final = 1024
"""Pieces that wait behind the gaps of one stream."""
MAX_STREAMS: Final = 16_384
"""Streams that are known at a time, and as many whose SYN alone was seen. About 1 KB each."""
MAX_HELD: Final = 64 << 20
"""Memory in bytes of all that waits in all streams."""

_FIN, _SYN, _RST = 1, 2, 4
_SPECIAL: Final = _FIN | _SYN | _RST

_USED: Final = int(Count.USED)
_CONTROL: Final = int(Count.TCP_CONTROL)
_REPEATED: Final = int(Count.TCP_REPEATED)
_KEEPALIVE: Final = int(Count.TCP_KEEPALIVE)
_UNKNOWN: Final = int(Count.TCP_UNKNOWN)
_TLS: Final = int(Count.TLS)
_CUT: Final = int(Count.TCP_CUT)
_UNFINISHED: Final = int(Count.TCP_UNFINISHED)
_CROWDED_OUT: Final = int(Count.TCP_CROWDED_OUT)
_GAP: Final = int(Count.STREAM_GAP)
_FORGOTTEN: Final = int(Count.STREAM_FORGOTTEN)

_Key: TypeAlias = tuple[bytes, bytes, int, int, int]
"""Addresses, ports and VLAN, as in ``Packet``."""


class _Stream:
    """One direction of a connection."""

    __slots__ = ("expected", "first", "has_ended", "held", "key", "reassembly", "seen", "sip")

    def __init__(self, key: _Key, first: int, sip: SipStream) -> None:
        self.key = key
        self.first = first
        """Sequence number of the first byte."""
        self.reassembly = Reassembly(first)
        self.sip = sip
        self.expected = -1
        """Sequence number of a segment that may be a message by itself; -1 if none may."""
        self.seen = 0
        """Time of the latest segment."""
        self.held = 0
        """Memory, as last counted into the sum of all."""
        self.has_ended = False
        """Whether it came to its end, and nothing came since."""


class Streams:
    """The streams of one worker."""

    def __init__(self, counts: memoryview[int]) -> None:
        self._counts = counts
        self._streams: OrderedDict[_Key, _Stream] = OrderedDict()
        """The one that was silent for longest first, as in the next two."""
        self._opened: OrderedDict[_Key, tuple[int, int]] = OrderedDict()
        """Sequence number of the first byte, and time of the SYN, before that byte was seen."""
        self._holding: OrderedDict[_Key, _Stream] = OrderedDict()
        """Those that hold bytes or wait for their end."""
        self._held = 0

    @property
    def held(self) -> int:
        """Memory of all that waits, in bytes."""
        return self._held

    def __len__(self) -> int:
        return len(self._streams) + len(self._opened)

    def feed(self, packet: Packet) -> list[Packet]:
        """The messages that are whole with this segment, in the order of the stream.

        Their payload is the message to the byte, their time that of its first byte. A segment that
        is one message comes back as it is.
        """
        key = packet[2:7]
        stream = self._streams.get(key)
        if stream is not None:
            self._streams.move_to_end(key)
            payload, sequence = packet[7], packet[8]
            if (
                sequence == stream.expected
                and not packet[9] & _SPECIAL
                and payload
                and is_message(payload)
            ):
                stream.expected = (sequence + len(payload)) & MASK
                stream.seen = packet[0]
                self._counts[_USED] += 1
                return [packet]
        return self._feed(stream, packet)

    def expire(self, now: int) -> list[Packet]:
        """The messages that come out because time has passed: behind gaps, of silent streams.

        To be called about once a second of capture time, ``now`` in µs.
        """
        messages: list[Packet] = []
        for stream in list(self._holding.values()):
            if self._streams.get(stream.key) is not stream:
                continue
            self._skip_gaps(stream, now, messages)
            if now - stream.seen >= GAP_WAIT:
                messages += _packets(stream.key, stream.sip.end_body())
                if stream.reassembly.end is not None:
                    messages += self._end(stream, _UNFINISHED)
            messages += self._settle(stream)
        while self._streams:
            stream = next(iter(self._streams.values()))
            if now - stream.seen < IDLE:
                break
            messages += self._forget(stream, _UNFINISHED)
        return messages

    def close(self) -> list[Packet]:
        """The capture is over: what can still be had of all streams."""
        messages: list[Packet] = []
        while self._streams:
            messages += self._forget(next(iter(self._streams.values())), _UNFINISHED)
        self._opened.clear()
        return messages

    def _feed(self, known: _Stream | None, packet: Packet) -> list[Packet]:
        payload, sequence, flags = packet[7], packet[8], packet[9]
        messages: list[Packet] = []
        stream = known
        if flags & _SYN:
            sequence = (sequence + 1) & MASK
            if stream is None or sequence != stream.first:
                self._open(packet[2:7], sequence, packet[0])
        if stream is not None and self._is_other(stream, sequence, packet):
            messages = self._forget(stream, _UNFINISHED)
            stream = None
        if not payload or flags & _RST:
            self._counts[_CONTROL] += 1
        else:
            if stream is None:
                stream = self._begin(packet[2:7], sequence, packet[0], messages)
            elif stream.expected >= 0:
                stream.reassembly.next = stream.expected
            stream.seen = packet[0]
            stream.has_ended = False
            self._read(stream, sequence, packet, messages)
        if stream is None:
            return messages
        if flags & (_FIN | _RST):
            self._note_end(stream, sequence if flags & _RST else sequence + len(payload))
        if stream.reassembly.is_over:
            messages += self._end(stream, _UNFINISHED)
        return messages + self._settle(stream)

    @staticmethod
    def _is_other(stream: _Stream, sequence: int, packet: Packet) -> bool:
        """Whether a segment begins another connection between the same addresses and ports."""
        if packet[9] & _SYN:
            return sequence != stream.first
        origin = stream.expected if stream.expected >= 0 else stream.reassembly.next
        return bool(packet[7]) and not -WINDOW < distance(sequence, origin) < WINDOW

    def _read(self, stream: _Stream, sequence: int, packet: Packet, messages: list[Packet]) -> None:
        """Take the bytes of a segment into its stream, and count what the segment was."""
        counts, time, payload = self._counts, packet[0], packet[7]
        reassembly = stream.reassembly
        if stream.sip.is_tls:
            counts[_TLS] += 1
            reassembly.next = (sequence + len(payload)) & MASK
            return
        sip = stream.sip
        chunks = reassembly.add(sequence, payload, time)
        if chunks is None:
            counts[_REPEATED] += 1
        elif not chunks:
            counts[_USED] += 1
        else:
            known = len(messages)
            for arrived, data in chunks:
                messages += _packets(stream.key, sip.feed(arrived, data))
            if len(messages) > known or sip.is_inside:
                counts[_USED] += 1
            elif sip.is_tls:
                counts[_TLS] += 1
            elif is_keepalive(payload):
                counts[_KEEPALIVE] += 1
            else:
                counts[_UNKNOWN] += 1
        self._skip_gaps(stream, time, messages)

    def _open(self, key: _Key, first: int, time: int) -> None:
        """A SYN was seen: remember where the stream begins."""
        self._opened.pop(key, None)
        self._opened[key] = first, time
        if len(self._opened) > MAX_STREAMS:
            self._opened.popitem(last=False)
            self._counts[_FORGOTTEN] += 1

    def _begin(self, key: _Key, sequence: int, time: int, messages: list[Packet]) -> _Stream:
        """A new stream, known from its beginning if its SYN was seen."""
        first, opened = self._opened.pop(key, (sequence, -1))
        is_joined = (
            opened < 0 or time - opened > IDLE or not 0 <= distance(sequence, first) < WINDOW
        )
        if is_joined:
            first = sequence
        if len(self._streams) >= MAX_STREAMS:
            oldest = next(iter(self._streams.values()))
            self._counts[_FORGOTTEN] += not oldest.has_ended
            messages += self._forget(oldest, _CROWDED_OUT)
        stream = _Stream(key, first, SipStream(self._counts, is_joined=is_joined))
        self._streams[key] = stream
        return stream

    def _skip_gaps(self, stream: _Stream, now: int, messages: list[Packet]) -> None:
        """Give up the gaps that are too old, or behind which too much waits."""
        reassembly = stream.reassembly
        while reassembly.held and (
            now - reassembly.since >= GAP_WAIT
            or reassembly.held > MAX_WAITING
            or reassembly.pieces > MAX_PIECES
        ):
            self._skip_gap(stream, messages)

    def _skip_gap(self, stream: _Stream, messages: list[Packet]) -> None:
        self._counts[_GAP] += 1
        stream.sip.cut(_CUT)
        for arrived, data in stream.reassembly.skip():
            messages += _packets(stream.key, stream.sip.feed(arrived, data))

    def _settle(self, stream: _Stream) -> list[Packet]:
        """After bytes came or went: what may come next, and the sum of all that is held.

        Returns the messages of streams that had to be forgotten to stay within ``MAX_HELD``.
        """
        reassembly, sip = stream.reassembly, stream.sip
        held = sip.held + reassembly.held
        self._held += held - stream.held
        stream.held = held
        stream.expected = -1
        if held or reassembly.end is not None:
            self._holding[stream.key] = stream
            self._holding.move_to_end(stream.key)
        else:
            self._holding.pop(stream.key, None)
            if sip.is_between:
                stream.expected = reassembly.next
        messages: list[Packet] = []
        while self._held > MAX_HELD:
            self._counts[_FORGOTTEN] += 1
            messages += self._forget(next(iter(self._holding.values())), _CROWDED_OUT)
        return messages

    def _note_end(self, stream: _Stream, end: int) -> None:
        """FIN or RST: where the stream ends."""
        reassembly = stream.reassembly
        if stream.expected >= 0:
            reassembly.next = stream.expected
        if -WINDOW < distance(end, reassembly.next) < WINDOW:
            reassembly.end = end & MASK

    def _end(self, stream: _Stream, cause: int) -> list[Packet]:
        """No more will come: the messages behind the gaps; one that is not whole is lost.

        The stream stays known, so that a last segment that is sent again is not read again.
        """
        messages: list[Packet] = []
        while stream.reassembly.held:
            self._skip_gap(stream, messages)
        messages += _packets(stream.key, stream.sip.end_body())
        stream.sip.cut(cause)
        stream.reassembly.end = None
        stream.has_ended = True
        return messages

    def _forget(self, stream: _Stream, cause: int) -> list[Packet]:
        """End a stream and know it no more."""
        del self._streams[stream.key]
        self._holding.pop(stream.key, None)
        self._held -= stream.held
        return self._end(stream, cause)


def _packets(key: _Key, messages: Iterable[Chunk]) -> list[Packet]:
    """Messages with the addresses of their stream."""
    return [Packet(time, PROTOCOL_TCP, *key, message) for time, message in messages]
