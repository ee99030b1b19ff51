# SPDX-License-Identifier: GPL-2.0-or-later
"""RTP streams of a capture file: what was lost, out of order, and how much it jittered.

A stream is an SSRC between two addresses. Its report is a HEP packet of type 34 in the JSON of
rtpagent, which belongs to the call whose SDP names one of the addresses. A stream that belongs to
no call is counted, and not sent: any UDP payload that begins with two certain bits may look like
one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

import orjson

from agent.message.media import MAX_CALL_ID, find_call_id
from agent.packet.packet import Packet
from collector import sdp
from collector.hep import Hep
from collector.quality.codec import USUAL_CLOCK
from collector.quality.report import MAX_LOST, MAX_MS

TYPE_RTPAGENT: Final = 34
MAX_STREAMS: Final = 20_000
"""Known at a time; the one silent for longest is reported early."""
MAX_ADDRESSES: Final = 50_000
IDLE: Final = 60_000_000
"""µs without a packet after which a stream is over."""
PROBATION: Final = 5
"""Packets that make a stream."""
MAX_DROPOUT: Final = 3000
"""RFC 3550 A.1: a larger step of the sequence number is a restart, not loss."""
MAX_MISORDER: Final = 100
_MAX_FORMATS: Final = 32
_HEADER: Final = 12
_CYCLE: Final = 1 << 16
_EVENT: Final = b"telephone-event"
"""Repeats its timestamp, so it says nothing about jitter (RFC 4733 §2.3): a clock of 0 Hz."""
_STATIC_CLOCKS: Final = {6: 16_000, 10: 44_100, 11: 44_100, 14: 90_000, 16: 11_025, 17: 22_050}
"""RFC 3551 §6: what is not 8 kHz among the payload types of audio."""
_VIDEO: Final = range(25, 35)
_VIDEO_CLOCK: Final = 90_000


class Stream:
    """What was seen of one stream, by RFC 3550 A.1, A.3 and A.8."""

    __slots__ = (
        *("base", "call_id", "clocks", "cycles", "first", "highest", "jitter", "jitter_max"),
        *("jitter_sum", "jitters", "key", "last", "late", "octets", "packets", "payload_type"),
        *("restarted", "transit", "transit_type", "delta_max", "vlan"),
    )

    def __init__(self, key: tuple[Any, ...], packet: Packet, sequence: int) -> None:
        self.key = key
        self.vlan = packet.vlan
        self.first = self.last = packet.time
        self.base = self.highest = sequence
        self.cycles = 0
        self.restarted = 0
        """Packets expected before the sequence number began anew."""
        self.packets = self.octets = self.late = self.payload_type = 0
        self.transit: int | None = None
        """Arrival minus timestamp, µs."""
        self.transit_type = -1
        self.jitter = self.jitter_max = self.jitter_sum = 0.0
        """µs."""
        self.jitters = 0
        self.delta_max = 0
        self.call_id = b""
        self.clocks: dict[int, int] = {}

    @property
    def expected(self) -> int:
        """Packets there should be, by the sequence numbers."""
        return self.restarted + self.cycles + self.highest - self.base + 1

    @property
    def lost(self) -> int:
        """RFC 3550 A.3, never less than none: what came twice is no gain."""
        return min(max(0, self.expected - self.packets), MAX_LOST)

    def add(self, packet: Packet) -> None:
        """Take one packet of the stream into account."""
        payload = packet.payload
        sequence = payload[2] << 8 | payload[3]
        if self.packets:
            self._follow(sequence)
            self.delta_max = max(self.delta_max, packet.time - self.last)
        kind = payload[1] & 0x7F
        self.packets += 1
        self.octets += len(payload) - _HEADER
        self.last = packet.time
        clock = self.clocks.get(kind, _clock(kind))
        if not clock:
            return
        self.payload_type = kind
        stamp = int.from_bytes(payload[4:8])
        transit = packet.time - stamp * 1_000_000 // clock
        if self.transit is not None and kind == self.transit_type:
            wrap = (1 << 32) * 1_000_000 // clock
            # The timestamp counts modulo 2**32: the nearer of both ways round is meant.
            step = abs((transit - self.transit + wrap // 2) % wrap - wrap // 2)
            self.jitter += (step - self.jitter) / 16
            self.jitter_max = max(self.jitter_max, self.jitter)
            self.jitter_sum += self.jitter
            self.jitters += 1
        self.transit, self.transit_type = transit, kind

    def _follow(self, sequence: int) -> None:
        step = (sequence - self.highest) % _CYCLE
        if 0 < step < MAX_DROPOUT:
            if sequence < self.highest:
                self.cycles += _CYCLE
            self.highest = sequence
        elif step == 0 or step > _CYCLE - MAX_MISORDER:
            self.late += 1
        else:
            self.restarted = self.expected
            self.base = self.highest = sequence
            self.cycles = 0


class Rtp:
    """The streams of one file. Times are those of the capture, in µs."""

    def __init__(self, node: bytes, capture_id: int, password: bytes) -> None:
        self._node = node
        self._capture_id = capture_id
        self._password = password
        self._streams: OrderedDict[tuple[Any, ...], Stream] = OrderedDict()
        """The one silent for longest first."""
        self._addresses: OrderedDict[tuple[bytes, int], tuple[bytes, dict[int, int]]] = (
            OrderedDict()
        )
        """Where audio goes: Call-ID, and clock rates by payload type."""
        self._reports: list[Hep] = []
        self.packets = 0
        self.streams = 0
        self.without_call = 0

    def learn(self, src_ip: bytes, message: bytes) -> None:
        """Remember where the audio goes that a SIP message asks for."""
        if message.find(b"\nm=audio ") < 0:
            return
        call_id = find_call_id(message)
        audio = sdp.parse(message)
        if audio is None or not audio.port or not 0 < len(call_id) <= MAX_CALL_ID:
            return
        known = (call_id, _clocks(message))
        # Behind an address translation audio comes from where SIP came from.
        for address in {audio.ip or src_ip, src_ip}:
            key = address, audio.port
            if address == audio.ip or key not in self._addresses:
                self._addresses[key] = known
                self._addresses.move_to_end(key)
        while len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)

    def add(self, packet: Packet) -> None:
        """Take what may be an RTP packet."""
        payload = packet.payload
        if len(payload) < _HEADER + 4 * (payload[0] & 15):
            return
        key = (*packet[2:6], payload[8:12])
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Stream(key, packet, payload[2] << 8 | payload[3])
            if len(self._streams) > MAX_STREAMS:
                self._end(self._streams.popitem(last=False)[1])
        else:
            self._streams.move_to_end(key)
        if not stream.call_id:
            stream.call_id, clocks = self._find(packet)
            if clocks != stream.clocks:
                stream.clocks, stream.transit = clocks, None
        self.packets += 1
        stream.add(packet)

    def expire(self, now: int) -> list[Hep]:
        """The reports of streams that are over; a time far ahead ends all."""
        while self._streams:
            key, stream = next(iter(self._streams.items()))
            if stream.last + IDLE > now:
                break
            del self._streams[key]
            self._end(stream)
        reports, self._reports = self._reports, []
        return reports

    def _find(self, packet: Packet) -> tuple[bytes, dict[int, int]]:
        for key in ((packet.dst_ip, packet.dst_port), (packet.src_ip, packet.src_port)):
            known = self._addresses.get(key)
            if known:
                return known
        return b"", {}

    def _end(self, stream: Stream) -> None:
        if stream.packets < PROBATION:
            return
        if not stream.call_id:
            src_ip, dst_ip, src_port, dst_port, _ = stream.key
            # The answer may have come behind the first packets and then no more.
            stream.call_id, _ = self._addresses.get((dst_ip, dst_port), (b"", {}))
            if not stream.call_id:
                stream.call_id, _ = self._addresses.get((src_ip, src_port), (b"", {}))
        self.streams += 1
        if not stream.call_id:
            self.without_call += 1
            return
        self._reports.append(self._hep(stream))

    def _hep(self, stream: Stream) -> Hep:
        src_ip, dst_ip, src_port, dst_port, _ = stream.key
        seconds, microseconds = divmod(stream.last, 1_000_000)
        return Hep(
            *(3, 17, src_ip, dst_ip, src_port, dst_port, seconds, microseconds, TYPE_RTPAGENT),
            *(self._capture_id, _document(stream), stream.call_id, self._node, self._password),
            vlan=stream.vlan,
        )


def _document(stream: Stream) -> bytes:
    src_ip, dst_ip, src_port, dst_port, ssrc = stream.key
    call_id = stream.call_id.decode(errors="replace")
    clock = stream.clocks.get(stream.payload_type, _clock(stream.payload_type))
    return orjson.dumps(
        {
            "CORRELATION_ID": call_id,
            "RTP_SIP_CALL_ID": call_id,
            "REPORT_TS": stream.last / 1e6,
            "TL_BYTE": stream.octets,
            "TOTAL_PK": stream.packets,
            "EXPECTED_PK": stream.expected,
            "PACKET_LOSS": stream.lost,
            "OUT_ORDER": stream.late,
            "JITTER": _ms(stream.jitter_sum / stream.jitters if stream.jitters else 0),
            "MAX_JITTER": _ms(stream.jitter_max),
            "MAX_DELTA": _ms(stream.delta_max),
            "SSRC": int.from_bytes(ssrc),
            "SRC_IP": str(ip_address(src_ip)),
            "SRC_PORT": src_port,
            "DST_IP": str(ip_address(dst_ip)),
            "DST_PORT": dst_port,
            "CODEC_PT": stream.payload_type,
            "CLOCK": clock,
            "TYPE": "FINAL",
        }
    )


def _ms(microseconds: float) -> float:
    return round(min(microseconds / 1000, MAX_MS), 3)


def _clock(payload_type: int) -> int:
    if payload_type in _VIDEO:
        return _VIDEO_CLOCK
    return _STATIC_CLOCKS.get(payload_type, USUAL_CLOCK)


def _clocks(message: bytes) -> dict[int, int]:
    """Clock rates by payload type, as ``a=rtpmap`` has them (RFC 8866 §6.6)."""
    found: dict[int, int] = {}
    for line in _lines(message, b"\na=rtpmap:"):
        number, _, rest = line.partition(b" ")
        name, _, rate = rest.partition(b"/")
        rate = rate.partition(b"/")[0].strip()
        if not (number.isdigit() and len(number) < 4 and rate.isdigit() and len(rate) < 7):
            continue
        found[int(number)] = 0 if name.lower() == _EVENT else int(rate) or USUAL_CLOCK
    return found


def _lines(message: bytes, start: bytes) -> Iterator[bytes]:
    at = message.find(start)
    for _ in range(_MAX_FORMATS):
        if at < 0:
            return
        end = message.find(b"\n", at + 1)
        yield message[at + len(start) : end if end > 0 else len(message)]
        at = message.find(start, at + 1)
