# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as Ethernet frames, as if each had been captured alone.

A message that came over UDP is one datagram, over SCTP one DATA chunk, over anything else a stretch
of a TCP stream, which goes on as if nothing but these messages had been sent: TLS and WebSocket are
in the clear. Messages that are too long for one packet are in several segments or chunks. A message
that says it came over UDP but fits no datagram, as tunnels can bring, is TCP too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Any, Final
from zlib import crc32

from dpkt import crc32c

MAX_FLOWS: Final = 16_384
"""Directions of streams whose numbers are remembered; one that was silent for longest begins anew
when there are more."""
NOTE_TYPE: Final = 0x88B5
"""EtherType of a note: Local Experimental Ethertype 1 (IEEE 802, RFC 9542 §2)."""
MAX_SEGMENT: Final = 65_000
"""Bytes of a message in one TCP segment or SCTP chunk."""

_MAX_DATAGRAM: Final = {4: 65_507, 6: 65_527}
_IPV4, _IPV6, _VLAN = 0x0800, 0x86DD, 0x8100
_TCP, _UDP, _SCTP = 6, 17, 132
_MASK: Final = 0xFFFFFFFF
_WINDOW: Final = 65_535
_TTL: Final = 64
_DONT_FRAGMENT: Final = 0x4000
_PUSH_ACK: Final = 0x5018
"""A header of five words, PSH and ACK."""
_DATA: Final = 0
_UNORDERED, _BEGIN, _END = 4, 2, 1
_SOURCE_MAC, _DESTINATION_MAC = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
"""Locally administered: stand in for addresses that no sender told."""

_u16: Final = Struct(">H").pack
_vlan: Final = Struct(">HHH").pack
_ipv4: Final = Struct(">BBHHHBBH4s4s").pack
_ipv6: Final = Struct(">IHBB16s16s").pack
_ports: Final = Struct(">HHHH").pack
_tcp: Final = Struct(">HHIIHHHH").pack
_sctp: Final = Struct(">HHII").pack
_data: Final = Struct(">BBHIHHI").pack

Address = IPv4Address | IPv6Address
_Flow = tuple[int, bytes, int, bytes, int]


class Frames:
    """Makes frames of messages, one after the other in the order of their time."""

    def __init__(self) -> None:
        self._sent: OrderedDict[_Flow, int] = OrderedDict()

    def of(self, message: Mapping[str, Any]) -> Iterator[bytes]:
        """The frames of one row of ``sip_message``: usually one."""
        source, destination = addresses(message["src_ip"], message["dst_ip"])
        head = _ethernet(source, message.get("vlan"), message.get("chunks") or {})
        ends = (source.packed, message["src_port"], destination.packed, message["dst_port"])
        for protocol, segment in self._segments(message["transport"], ends, message["raw"]):
            yield head + _packet(ends, protocol, segment)

    def _segments(
        self, transport: str, ends: tuple[bytes, int, bytes, int], payload: bytes
    ) -> Iterator[tuple[int, bytes]]:
        if transport == "SCTP":
            yield from self._chunks(ends, payload)
        elif transport == "UDP" and len(payload) <= _MAX_DATAGRAM[_version(ends[0])]:
            yield _UDP, _datagram(ends, payload)
        else:
            yield from self._stream(ends, payload)

    def _stream(
        self, ends: tuple[bytes, int, bytes, int], payload: bytes
    ) -> Iterator[tuple[int, bytes]]:
        source, source_port, destination, destination_port = ends
        for begin in range(0, len(payload), MAX_SEGMENT):
            part = payload[begin : begin + MAX_SEGMENT]
            at = self._advance((_TCP, *ends), len(part))
            there = self._sent.get((_TCP, destination, destination_port, source, source_port), 1)
            fields = (source_port, destination_port, at & _MASK, there & _MASK, _PUSH_ACK, _WINDOW)
            pseudo = _pseudo_header(ends, _TCP, 20 + len(part))
            sum_ = _checksum(pseudo + _tcp(*fields, 0, 0) + part)
            yield _TCP, _tcp(*fields, sum_, 0) + part

    def _chunks(
        self, ends: tuple[bytes, int, bytes, int], payload: bytes
    ) -> Iterator[tuple[int, bytes]]:
        """Unordered, so that Wireshark does not wait for what was never captured."""
        last = max(len(payload) - 1, 0) // MAX_SEGMENT
        # What was agreed at the beginning is not known; programs tell associations by their tags.
        tag = crc32(b"%b%d>%b%d" % ends) or 1
        for number, begin in enumerate(range(0, len(payload), MAX_SEGMENT)):
            part = payload[begin : begin + MAX_SEGMENT]
            tsn = self._advance((_SCTP, *ends), 1)
            flags = _UNORDERED | _BEGIN * (number == 0) | _END * (number == last)
            chunk = _data(_DATA, flags, 16 + len(part), tsn & _MASK, 0, 0, 0) + part
            chunk += bytes(-len(chunk) % 4)
            sum_ = crc32c.done(crc32c.add(_MASK, _sctp(ends[1], ends[3], tag, 0) + chunk))
            yield _SCTP, _sctp(ends[1], ends[3], tag, sum_) + chunk

    def _advance(self, flow: _Flow, by: int) -> int:
        """The number that the flow has reached, counted on for the next one."""
        at = self._sent.pop(flow, 1)
        self._sent[flow] = at + by
        if len(self._sent) > MAX_FLOWS:
            self._sent.popitem(last=False)
        return at


def note(text: str) -> bytes:
    """A frame that is no packet and holds a text, for files that have no other place for it."""
    return _DESTINATION_MAC + _SOURCE_MAC + _u16(NOTE_TYPE) + text.encode()


def addresses(source: Address | None, destination: Address | None) -> tuple[Address, Address]:
    """Both addresses in one family; an unknown one is 0.0.0.0 or ::.

    An IPv4 address beside an IPv6 one is mapped (RFC 4291 §2.5.5.2).
    """
    if IPv6Address in (type(source), type(destination)):
        return _as_ipv6(source), _as_ipv6(destination)
    return source or IPv4Address(0), destination or IPv4Address(0)


def _as_ipv6(address: Address | None) -> IPv6Address:
    if isinstance(address, IPv4Address):
        return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    return address or IPv6Address(0)


def _ethernet(source: Address, vlan: int | None, chunks: Mapping[str, Any]) -> bytes:
    """The header, with the tag and the MAC addresses that were captured."""
    kind = _u16(_IPV4 if source.version == 4 else _IPV6)
    tag = _vlan(_VLAN, vlan & 0xFFF, 0)[:4] if vlan else b""
    macs = _mac(chunks.get("dst_mac"), _DESTINATION_MAC) + _mac(chunks.get("src_mac"), _SOURCE_MAC)
    return macs + tag + kind


def _mac(text: object, default: bytes) -> bytes:
    try:
        found = bytes.fromhex(str(text).replace(":", "").replace("-", ""))
    except ValueError:
        return default
    return found if len(found) == len(default) else default


def _version(packed: bytes) -> int:
    return 4 if len(packed) == 4 else 6


def _packet(ends: tuple[bytes, int, bytes, int], protocol: int, segment: bytes) -> bytes:
    """With its IP header; ``segment`` is never longer than that can say."""
    source, _, destination, _ = ends
    if _version(source) == 6:
        return _ipv6(6 << 28, len(segment), protocol, _TTL, source, destination) + segment
    fields = (0x45, 0, 20 + len(segment), 0, _DONT_FRAGMENT, _TTL, protocol)
    sum_ = _checksum(_ipv4(*fields, 0, source, destination))
    return _ipv4(*fields, sum_, source, destination) + segment


def _datagram(ends: tuple[bytes, int, bytes, int], payload: bytes) -> bytes:
    size = 8 + len(payload)
    pseudo = _pseudo_header(ends, _UDP, size)
    sum_ = _checksum(pseudo + _ports(ends[1], ends[3], size, 0) + payload)
    # RFC 768: zero would say that there is none.
    return _ports(ends[1], ends[3], size, sum_ or 0xFFFF) + payload


def _pseudo_header(ends: tuple[bytes, int, bytes, int], protocol: int, size: int) -> bytes:
    """RFC 9293 §3.1, RFC 8200 §8.1: of one sum, so that the width of its fields does not matter."""
    return ends[0] + ends[2] + size.to_bytes(4, "big") + protocol.to_bytes(4, "big")


def _checksum(data: bytes) -> int:
    """RFC 1071: the sum in ones' complement is the whole as one number modulo 65,535."""
    number = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return 0xFFFF - (number % 0xFFFF or 0xFFFF)
