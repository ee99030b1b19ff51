# SPDX-License-Identifier: GPL-2.0-or-later
"""Relay of HEP over UDP: what the receiver's host refuses is sent again, from the first on."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from collector.output import burst
from collector.output.address import resolve
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from collector.output.output import POLL_S, Output
from collector.output.portion import Portion
from collector.output.refusal import (
    RefusalError,
    Report,
    ask_for_reports,
    raise_refusal,
    read_reports,
)
from collector.output.shipment import Shipment
from collector.output.state import Position
from collector.output.wire import Wire
from collector.settings.endpoint import Endpoint
from collector.settings.sending import Relay

DATAGRAM_SETTLE_S: Final = 4.0
"""Datagrams that no error came back for within this time count as delivered. A host that is not
there is reported after three seconds (ARP, neighbour discovery)."""
PROBE_S: Final = 0.2
"""After a failure one datagram goes ahead; the rest follows when no error comes back so soon."""
REFUSED_PAUSE_S: Final = 2.0
"""A host sends one ICMP error a second to another, and six at once after a rest (Linux,
icmp_ratelimit): only after such a pause the refusal of the very first datagram is certain to be
reported."""
BACKLOG_NS: Final = 1_000_000_000
"""Records older than this were held up: they keep to the rate. Others come as fast as they did."""
HEAD_BYTES: Final = 256
"""Kept of each datagram to know it again: in HEP3 the time of capture, and most often of SIP the
branch."""
MOST_UNSETTLED: Final = 100_000
"""Datagrams that are kept in mind; beyond it the oldest count as delivered."""
_DRAIN_FACTOR: Final = 2
"""A backlog goes at least so much faster than it came."""
_BURST_S: Final = 0.002
_SMALLEST_BURST: Final = 16
_NO_ROOM_PAUSE_S: Final = 0.001


@dataclass(slots=True)
class _Sent:
    """A portion of which datagrams were sent."""

    portion: Portion
    unsent: dict[int, Fate] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    """The beginning of each datagram, empty for a record that is not sent."""
    at: float = 0.0
    """When the last of them was sent, monotonic s; 0 while it goes on."""

    shipment: Shipment | None = None
    """When all of it was sent."""

    def close(self, now: float) -> None:
        """All of it was sent."""
        self.portion.forget()
        self.at = now
        self.shipment = self._ship()

    def part(self, count: int) -> tuple[Portion, Mapping[Fate, int]]:
        """The first ``count`` records, with their fates."""
        return (self.shipment or self._ship()).part(count)

    def _ship(self) -> Shipment:
        return Shipment(self.portion, self.unsent, range(1, len(self.heads) + 1))


class _Sum:
    """Of portions that were sent whole: it is asked for often, and there are hundreds of them."""

    def __init__(self) -> None:
        self._slots: dict[int, Position] = {}
        self._fates: Counter[Fate] = Counter()
        self._portions = 0

    def add(self, portion: Portion, fates: Mapping[Fate, int]) -> None:
        """The next one."""
        self._slots |= portion.slots
        self._portions += 1
        for counts in (fates, *portion.missing.values()):
            self._fates.update(counts)

    def remove(self, portion: Portion, fates: Mapping[Fate, int]) -> None:
        """The oldest one, which is committed."""
        self._portions -= 1
        for counts in (fates, *portion.missing.values()):
            self._fates.subtract(counts)
        if not self._portions:
            # A slot of which nothing is left stays until then: where it is, that is committed.
            self._slots = {}

    def whole(self) -> tuple[Portion, Mapping[Fate, int]]:
        """As if it were one portion."""
        return Portion([], dict(self._slots), {}), self._fates


class DatagramRelay(Output):
    """One udp target. What the network loses without a word is lost."""

    def __init__(
        self,
        name: str,
        backlog: Backlog,
        wire: Wire,
        target: Endpoint,
        settings: Relay,
        *,
        greeting: bytes = b"",
    ) -> None:
        """``greeting`` is sent first, and again after each failure."""
        super().__init__(name, backlog)
        self.first_pause_s = REFUSED_PAUSE_S
        self._wire = wire
        self._target = target
        self._rate = settings.udp_rate
        self._greeting = greeting
        self._probing = False
        self._unsettled: deque[_Sent] = deque()
        self._sum = _Sum()
        """Of those that were sent whole."""
        self._allowed = 0.0
        self._paced_at = 0.0
        self._attempts = 0

    async def session(self) -> None:
        """Send for ever; raises OSError when one comes back."""
        found = await resolve(self._target, socket.SOCK_DGRAM)
        # A name may have an address that is not there: the next attempt takes the next one.
        family, kind, protocol, _, address = found[self._attempts % len(found)]
        if not self._attempts:
            self.connected()  # until something says otherwise
        self._attempts += 1
        with socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol) as sender:
            ask_for_reports(sender)
            sender.connect(address)
            self._probing = True
            try:
                if self._greeting:
                    await self._send_some(sender, [self._greeting], 0, 1)
                    await self._probe(sender)
                await self._send_for_ever(sender)
            except RefusalError as refusal:
                self._commit_before(refusal.reports)
                raise
            except OSError:
                # Of this host, at once: what was sent before is on its way.
                self._commit_unsettled()
                raise
            finally:
                self._unsettled.clear()
                self._sum = _Sum()

    def handed(self) -> Iterable[tuple[Portion, Mapping[Fate, int]]]:
        """What was sent."""
        if not self._probing:
            yield self._sum.whole()
            if self._unsettled and not self._unsettled[-1].at:
                yield self._unsettled[-1].part(len(self._unsettled[-1].heads))

    async def _send_for_ever(self, sender: socket.socket) -> None:
        now = asyncio.get_running_loop().time
        known = 0
        while not self.stopping.is_set():
            portion = self.backlog.read()
            if portion:
                await self._send(sender, portion)
                sent = self._unsettled[-1]
                sent.close(now())
                known += len(sent.heads)
                self._sum.add(*sent.part(len(sent.heads)))
            _raise_error(sender)
            while self._unsettled and (
                known > MOST_UNSETTLED or self._unsettled[0].at <= now() - DATAGRAM_SETTLE_S
            ):
                known -= len(self._unsettled[0].heads)
                self._commit_oldest()
            if portion is None:
                await self.wait(POLL_S)
            else:
                await asyncio.sleep(0)
        if self._unsettled:
            await asyncio.sleep(PROBE_S)
            _raise_error(sender)
        self._commit_unsettled()

    async def _send(self, sender: socket.socket, portion: Portion) -> None:
        packets, unsent = self._wire.encode_all(portion.records)
        sent = _Sent(portion)
        self._unsettled.append(sent)
        heads = sent.heads
        rate = self._backlog_rate(portion)
        for stop in (*unsent, len(packets)):
            while len(heads) < stop:
                begin = len(heads)
                most = 1 if self._probing else burst.MOST
                if rate:
                    most = min(most, await self._pace(rate))
                end = min(begin + most, stop)
                count = await self._send_some(sender, packets, begin, end)
                if not count:
                    sent.unsent[begin] = Fate.TOO_LARGE
                    end = begin + 1
                    count = 1
                if rate:
                    self._allowed -= count
                heads += [packet[:HEAD_BYTES] for packet in packets[begin : begin + count]]
                if begin + count < end:
                    # The kernel does not tell the error that it had for the next one.
                    raise_refusal(read_reports(sender))
                if self._probing:
                    await self._probe(sender)
            if stop in unsent:
                sent.unsent[stop] = unsent[stop]
                heads.append(b"")

    async def _probe(self, sender: socket.socket) -> None:
        await asyncio.sleep(PROBE_S)
        _raise_error(sender)
        self._probing = False
        self.connected()

    def _backlog_rate(self, portion: Portion) -> float:
        """Datagrams/s for records that were held up; 0 for others, which are not paced."""
        if not portion.records:
            return 0
        first, last = portion.records[0].id, portion.records[-1].id
        if time.time_ns() - first < BACKLOG_NS:
            return 0
        came = 1e9 * len(portion.records) / max(last - first, 1)
        # Of a few records nobody can tell how fast they came.
        is_steady = len(portion.records) > _SMALLEST_BURST
        return max(self._rate, _DRAIN_FACTOR * came if is_steady else 0)

    async def _pace(self, rate: float) -> int:
        """How many may go now to keep to the rate, in small bursts; at least one."""
        loop = asyncio.get_running_loop()
        while self._allowed < 1:
            passed = loop.time() - self._paced_at
            self._paced_at += passed
            most = max(_SMALLEST_BURST, rate * _BURST_S)
            self._allowed = min(self._allowed + passed * rate, most)
            if self._allowed < 1:
                await asyncio.sleep(_BURST_S)
        return int(self._allowed)

    @staticmethod
    async def _send_some(sender: socket.socket, packets: list[bytes], begin: int, end: int) -> int:
        """Send the first of these datagrams, whatever stands in its way, and others if they go.

        Returns how many; 0 when the first is too large. Raises OSError if it cannot be sent.
        """
        while True:
            try:
                return burst.send(sender.fileno(), packets, begin, end)
            except BlockingIOError:
                await asyncio.sleep(_NO_ROOM_PAUSE_S)
            except OSError as error:
                # It may be that of an earlier datagram, and this one was not sent.
                reports = read_reports(sender)
                raise_refusal(reports)
                if reports:
                    continue
                if error.errno == errno.ECONNREFUSED:  # there was no room for the report
                    raise RefusalError([_unknown(error.errno)]) from error
                if error.errno == errno.EMSGSIZE:
                    return 0
                if error.errno != errno.ENOBUFS:
                    raise
                await asyncio.sleep(_NO_ROOM_PAUSE_S)

    def _commit_before(self, reports: list[Report]) -> None:
        """What was sent before the first datagram that was refused is delivered.

        That one is certain to be reported, those after it are not: a host limits how many errors
        it sends. Where nobody answers for the address, all is sent again: much is lost before that
        is found out.
        """
        if any(report.nobody_answers for report in reports):
            return
        quotes = tuple({report.quote[:HEAD_BYTES] for report in reports})
        first = next(
            (
                (number, place)
                for number, sent in enumerate(self._unsettled)
                for place, head in enumerate(sent.heads)
                if head and any(head.startswith(quote) for quote in quotes)
            ),
            None,
        )
        if first is None:
            return  # it was older than these
        number, place = first
        for _ in range(number):
            self._commit_oldest()
        self.backlog.commit(*self._unsettled[0].part(place))

    def _commit_unsettled(self) -> None:
        while self._unsettled:
            self._commit_oldest()

    def _commit_oldest(self) -> None:
        sent = self._unsettled.popleft()
        part = sent.part(len(sent.heads))
        if sent.at:
            self._sum.remove(*part)
        self.backlog.commit(*part)


def _unknown(number: int) -> Report:
    """An error that does not say which datagram it blames: that may be any."""
    return Report(number, nobody_answers=False, quote=b"")


def _raise_error(sender: socket.socket) -> None:
    """Raise what came back for datagrams that were sent before."""
    number = sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise_refusal(read_reports(sender) or [_unknown(number)])
