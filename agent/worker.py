# SPDX-License-Identifier: GPL-2.0-or-later
"""One capture worker: frames in, HEP packets into the journal. It waits for nobody but the source.

::

    source ─▶ -fi -di ─▶ -wf ─▶ Decoder ─▶ -diip … ─▶ -dd ─▶ Streams ─▶ Messages ─▶ -dim ─▶ journal
           └▶ Ordinary, where that is possible ──────────────────────────────────────────────┘
"""

from __future__ import annotations

import gc
import select
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from agent.capture.interface import BLOCK_AGE_S
from agent.capture.recorder import Recorder
from agent.capture.source import Frame, Source
from agent.count import Count
from agent.counts import Counts
from agent.duplicates import Duplicates
from agent.flags.options import Options
from agent.ordinary import Ordinary
from agent.packet.decoder import Decoder
from agent.packet.packet import Packet
from agent.selection import AddressFilter, ContentFilter, MethodFilter
from agent.stream.streams import Streams
from collector.hep import PROTOCOL_TCP, TYPE_SIP, Hep
from collector.log import LOGGER, LimitedLog

BATCH: Final = 256
"""Frames taken from the source before anything else is looked at."""
TICK_S: Final = 1.0
_TICK_US: Final = int(TICK_S * 1e6)
LAST_BATCHES: Final = 400
"""When told to stop, a worker takes what is left in the ring, but not for ever."""
REST_S: Final = 2 * BLOCK_AGE_S
"""Then the ring has handed over what came before the worker was told to stop."""
END_OF_TIME: Final = 1 << 62
"""A time in µs by which all that waits has expired."""

_CAPTURED: Final = int(Count.CAPTURED)
_USED: Final = int(Count.USED)
_FOUND: Final = int(Count.FOUND)
_CONTENT: Final = int(Count.CONTENT)
_ADDRESS: Final = int(Count.ADDRESS)
_DUPLICATE: Final = int(Count.DUPLICATE)
_METHOD: Final = int(Count.METHOD)
_FAULT: Final = int(Count.FAULT)
_KERNEL: Final = int(Count.KERNEL)
_INTERFACE: Final = int(Count.INTERFACE)


class Messages(Protocol):
    """What reads packets: ``agent.message.messages.Messages``, or what an import puts before it."""

    @property
    def outcome(self) -> int: ...

    def read(self, packet: Packet) -> Hep | None: ...

    def expire(self, now: int) -> Sequence[Hep]: ...


class Handover(Protocol):
    """What messages are handed to: ``agent.handover.Handover``, or what an import sends by."""

    def put(self, message: Hep) -> None: ...

    def flush(self) -> None: ...


class Worker:
    """The way of a frame. Times are capture times in µs since 1970."""

    def __init__(
        self,
        options: Options,
        counts: Counts,
        decoder: Decoder,
        streams: Streams,
        messages: Messages,
        handover: Handover,
        recorder: Recorder | None = None,
        ordinary: Ordinary | None = None,
    ) -> None:
        """``ordinary`` takes what it can of the frames; it hands over to the same ``handover``."""
        self._counts = counts
        self._decoder = decoder
        self._ordinary = ordinary
        self._streams = streams
        self._messages = messages
        self._handover = handover
        self._recorder = recorder
        # None is looked at faster than a filter that is empty.
        self._content = ContentFilter(options.fi, options.di) or None
        self._addresses = AddressFilter(options.diip, options.disip, options.didip) or None
        self._methods = MethodFilter(options.dim) or None
        self._duplicates = Duplicates() if options.dd else None
        self._limited = LimitedLog()
        self._time = 0
        """That of the newest frame."""
        self._seen_at = time.monotonic()
        """When that frame was seen here."""
        self._expire_at = 0

    def run(
        self,
        source: Source,
        stop: int,
        siblings: int = -1,
        before_read: Callable[[], None] | None = None,
        at_once: int = BATCH,
        *,
        takes_rest: bool = True,
    ) -> None:
        """Until the source ends, or the descriptor ``stop`` can be read: also when the process
        that holds its other end is gone. ``siblings`` is readable when another worker has learnt
        something (-1: there is none). ``before_read`` is called before each read, which takes at
        most ``at_once`` frames. ``takes_rest``: what is there when it is told to stop is taken, as
        from a ring, but not from a file.

        Raises ``CaptureError`` when the source cannot go on.
        """
        gc.freeze()
        poll = select.poll()
        for descriptor in (source.fileno(), stop, siblings):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        next_tick = time.monotonic() + TICK_S
        left = LAST_BATCHES if takes_rest else 1
        stopping = False
        waits = True
        try:
            while not source.ended and left:
                now = time.monotonic()
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self._tick(source)
                due = source.due()
                timeout = min(next_tick - now, TICK_S if due is None else due) if waits else 0
                ready = poll.poll(1000 * timeout)
                if not stopping and any(descriptor == stop for descriptor, _ in ready):
                    stopping = True
                    if takes_rest:
                        time.sleep(REST_S)
                if before_read and not stopping:
                    before_read()
                frames = source.read(at_once)
                self.take(frames)
                self._take_held(self._now())
                waits = len(frames) < at_once
                if stopping:
                    left = 0 if waits else left - 1
            self._note_drops(source)
        finally:
            # What was begun is brought to an end: message by message, or as lost.
            self.expire(END_OF_TIME)
            self._take_held(END_OF_TIME)

    def take(self, frames: list[Frame]) -> None:
        """Frames as the source gives them."""
        place = 0
        while place < len(frames):
            if self._ordinary:
                latest = self._expire_at
                place = self._ordinary.take(frames, place, latest - 2 * _TICK_US, latest)
            if place < len(frames):
                self._take_frame(*frames[place])
                place += 1
        self._handover.flush()
        if frames:
            self._time = frames[-1][0]
            self._seen_at = time.monotonic()

    def _take_frame(self, at: int, frame: bytes, length: int) -> None:
        counts = self._counts
        counts[_CAPTURED] += 1
        if at >= self._expire_at or at < self._expire_at - 2 * _TICK_US:
            self._time = at
            self.expire(at)
        if self._content and self._content.discards(frame):
            counts[_CONTENT] += 1
            return
        try:
            if self._recorder:
                self._recorder.write(at, frame, length)
            packets = self._decoder.decode(at, frame)
            if packets:
                self._take_packets(packets)
        except Exception as error:  # noqa: BLE001 (one frame must not end the capture)
            counts[_FAULT] += 1
            self._report(error)

    def _take_packets(self, packets: Sequence[Packet]) -> None:
        """All packets of a frame, which is counted once: as used when any of them is. Of TCP it
        holds one segment, and the streams have counted that.
        """
        count = _ADDRESS
        for packet in packets:
            if self._addresses and self._addresses.discards(packet.src_ip, packet.dst_ip):
                outcome = _ADDRESS
            elif self._duplicates and self._duplicates.discards(packet):
                outcome = _DUPLICATE
            elif packet.protocol == PROTOCOL_TCP:
                for whole in self._streams.feed(packet):
                    self._hand_over(self._messages.read(whole))
                return
            else:
                message = self._messages.read(packet)
                outcome = _USED if message else self._messages.outcome
                self._hand_over(message)
            if count != _USED:
                count = outcome
        self._counts[count] += 1

    def _hand_over(self, message: Hep | None) -> None:
        if message is None:
            return
        self._counts[_FOUND] += 1
        if self._methods and message.type == TYPE_SIP and self._methods.discards(message.payload):
            self._counts[_METHOD] += 1
        else:
            self._handover.put(message)

    def _take_held(self, now: int) -> None:
        """RTCP whose call has become known."""
        try:
            for message in self._messages.expire(now):
                self._hand_over(message)
        except Exception as error:  # noqa: BLE001
            self._report(error)
        self._handover.flush()

    def _now(self) -> int:
        """The capture's clock: it goes on when no frame comes."""
        return self._time + int((time.monotonic() - self._seen_at) * 1e6)

    def expire(self, now: int) -> None:
        """Give up what has waited for too long, and take what comes of it."""
        self._expire_at = now + _TICK_US
        try:
            self._decoder.expire(now)
            for whole in self._streams.expire(now):
                self._hand_over(self._messages.read(whole))
        except Exception as error:  # noqa: BLE001
            self._report(error)
        self._handover.flush()

    def _tick(self, source: Source) -> None:
        """About every second, also when no frame comes."""
        self._note_drops(source)
        if self._recorder:
            self._recorder.tick()
        if self._time and self._now() >= self._expire_at:
            self.expire(self._now())

    def _note_drops(self, source: Source) -> None:
        self._counts[_KERNEL], self._counts[_INTERFACE] = source.drops()

    def _report(self, error: Exception) -> None:
        LOGGER.debug("a frame cannot be read", exc_info=error)
        self._limited.warn("fault", f"a fault of the agent: {type(error).__name__}: {error}")
