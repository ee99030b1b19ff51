# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames in, packets out: links, tags, tunnels and fragments undone. No input, no output, no clock.

Every length is checked against the bytes captured, and nothing raises whatever the bytes are. A
datagram that was cut off while capturing never looks like a whole one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from struct import Struct
from typing import Final

from agent.count import Count
from agent.packet import tunnel
from agent.packet.fragments import Fragments
from agent.packet.link import IPV4, TYPE_AND_IP, link, network
from agent.packet.packet import Packet
from agent.packet.sctp import Sctp
from collector.hep import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP

MAX_TUNNELS: Final = 8
"""In one another."""
_MAX_EXTENSIONS: Final = 16
"""Extension headers of one packet; RFC 8200 §4.1 wants fewer."""

_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = frozenset({0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140})
"""Hop-by-hop, routing, fragment, AH, destination, mobility, HIP, shim6."""
_NO_FRAGMENT: Final = 0xC000
_OFFSET: Final = 0x1FFF
_MORE: Final = 0x2000
_FIN_PSH: Final = 0x09
_FIN_SYN_RST: Final = 0x07

_EMPTY: Final = int(Count.EMPTY)
_OTHER_PROTOCOL: Final = int(Count.OTHER_PROTOCOL)
_TRUNCATED: Final = int(Count.TRUNCATED)
_SHORT: Final = int(Count.SHORT)
_BAD_HEADER: Final = int(Count.BAD_HEADER)
_NESTED: Final = int(Count.NESTED)

_ip4: Final = Struct(">BxHHHxB2x4s4s").unpack_from
_ip6: Final = Struct(">B3xHBx16s16s").unpack_from
_fragment6: Final = Struct(">BxHI").unpack_from
_udp: Final = Struct(">HHH").unpack_from
_tcp: Final = Struct(">HHI4xBB").unpack_from
_new = tuple.__new__

Packets = Sequence[Packet]


class Decoder:
    """Decodes the frames of one capture; holds the fragments that wait for others.

    **Who counts a frame.** When ``decode`` returns nothing, it has counted the frame, once: as
    ignored, as malformed, or as ``USED`` if a fragment was kept. When it returns packets, it has
    not: the caller counts the frame, once, for whatever becomes of them. Messages that are lost
    here are counted as ``FOUND`` and with the cause of the loss.

    The time of a datagram or SCTP message that came in fragments is that of the frame that
    completed it, as heplify has it.

    Args:
        linktype: link type of the frames, as libpcap numbers them.
        erspan: GRE may carry ERSPAN with a header of its own (types II and III).
        counts: one worker's row, by ``Count``.

    Raises:
        ValueError: the link type is not supported.
    """

    def __init__(self, linktype: int, *, erspan: bool, counts: memoryview) -> None:
        self._place = link(linktype)
        self._erspan = erspan
        self._counts = counts
        self._fragments = Fragments(counts)
        self._sctp = Sctp(counts)
        type_at, ip_at = TYPE_AND_IP.get(linktype, (0, 2))
        gap = ip_at - type_at - 2
        common = Struct(f">{type_at}xH{gap}xBxH2xHxB2x4s4sHHH")
        self._common = common.unpack_from
        self._shortest = common.size + 2 if linktype in TYPE_AND_IP else sys.maxsize
        self._ip_at = ip_at

    def decode(self, time: int, frame: bytes) -> Packets:
        """The transport payloads that this frame holds or completes, mostly one or none.

        Args:
            time: capture time, µs since 1970.
            frame: the bytes captured.
        """
        # What nearly all frames are takes one reading: IPv4 without options, UDP, one fragment.
        if len(frame) >= self._shortest:
            kind, version, length, fragment, protocol, src_ip, dst_ip, src_port, dst_port, size = (
                self._common(frame)
            )
            end = self._ip_at + length
            if (
                protocol == PROTOCOL_UDP
                and kind == IPV4
                and version == 0x45
                and size == length - 20
                and size > 8
                and end <= len(frame)
                and not fragment & ~_NO_FRAGMENT
                and dst_port not in tunnel.DESTINATION_PORTS
                and src_port != tunnel.HPERM_PORT
            ):
                payload = frame[self._ip_at + 28 : end]
                return (
                    _new(
                        Packet,
                        (time, 17, src_ip, dst_ip, src_port, dst_port, 0, payload, 0, 0),
                    ),
                )
        place = self._place(frame)
        result = place if isinstance(place, int) else self._ip(time, frame, *place, 0)
        if isinstance(result, int):
            self._counts[result] += 1
            return ()
        return result

    def expire(self, now: int) -> None:
        """Gives up fragments that have waited too long; to be called about once a second.

        Args:
            now: time of the newest frame, µs: the capture's clock, not the host's. One far ahead
                gives all of them up, which is right when the capture ends.
        """
        self._fragments.expire(now)
        self._sctp.expire(now)

    # Below, an int is the Count of a frame that holds nothing. ``at`` is where a header begins in
    # ``data``, and ``end`` where the packet ends by its IP length: above len(data) if it was cut.

    def _ip(
        self, time: int, data: bytes, kind: int, at: int, vlan: int, depth: int
    ) -> Packets | int:
        if kind == IPV4:
            return self._ip4(time, data, at, vlan, depth)
        return self._ip6(time, data, at, vlan, depth)

    def _ip4(self, time: int, data: bytes, at: int, vlan: int, depth: int) -> Packets | int:
        room = len(data) - at
        if room < 20:
            return _SHORT
        version, length, number, fragment, protocol, src_ip, dst_ip = _ip4(data, at)
        header = (version & 15) << 2
        if version >> 4 != 4 or header < 20:
            return _BAD_HEADER
        if header > room:
            return _SHORT
        if length < header:
            # A segment that the network card has yet to cut up may be longer than the field holds.
            if length or protocol != PROTOCOL_TCP:
                return _BAD_HEADER
            length = room
        end = at + length
        at += header
        # Not the DF flag: it does not keep senders from fragmenting.
        if fragment & (_OFFSET | _MORE):
            if end > len(data):
                return _TRUNCATED
            whole = self._fragments.add(
                time,
                (src_ip, dst_ip, number, protocol, depth << 12 | vlan),
                protocol,
                (fragment & _OFFSET) << 3,
                data[at:end],
                more=bool(fragment & _MORE),
            )
            if isinstance(whole, int):
                return whole
            data = whole[1]
            at = 0
            end = len(data)
        return self._transport(time, protocol, data, at, end, src_ip, dst_ip, vlan, depth)

    def _ip6(self, time: int, data: bytes, at: int, vlan: int, depth: int) -> Packets | int:
        if len(data) - at < 40:
            return _SHORT
        version, length, protocol, src_ip, dst_ip = _ip6(data, at)
        if version >> 4 != 6:
            return _BAD_HEADER
        at += 40
        # RFC 2675: none means a jumbogram, of which only TCP is read.
        end = at + length if length else len(data)
        if protocol in _EXTENSIONS:
            return self._extended(
                time, protocol, data, at, end, src_ip, dst_ip, vlan, depth, jumbo=not length
            )
        if not length and protocol != PROTOCOL_TCP:
            return _EMPTY
        return self._transport(time, protocol, data, at, end, src_ip, dst_ip, vlan, depth)

    def _extended(
        self,
        time: int,
        protocol: int,
        data: bytes,
        at: int,
        end: int,
        src_ip: bytes,
        dst_ip: bytes,
        vlan: int,
        depth: int,
        *,
        jumbo: bool = False,
    ) -> Packets | int:
        """Extension headers (RFC 8200 §4), and AH in IPv4 (RFC 4302)."""
        for _ in range(_MAX_EXTENSIONS):
            if protocol not in _EXTENSIONS:
                break
            limit = min(end, len(data))
            if limit - at < 8:
                return _cut(data, end)
            following = data[at]
            if protocol != _FRAGMENT:
                words = data[at + 1]
                at += words + 2 << 2 if protocol == _AUTHENTICATION else words + 1 << 3
                protocol = following
                if at > limit:
                    return _cut(data, end)
                continue
            following, place, number = _fragment6(data, at)
            at += 8
            protocol = following
            # RFC 6946: a fragment that is all of it has nothing to do with others.
            if not place & 0xFFF9:
                continue
            if jumbo:
                return _BAD_HEADER
            if end > len(data):
                return _TRUNCATED
            whole = self._fragments.add(
                time,
                (src_ip, dst_ip, number, _FRAGMENT, depth << 12 | vlan),
                following,
                place & 0xFFF8,
                data[at:end],
                more=bool(place & 1),
            )
            if isinstance(whole, int):
                return whole
            protocol, data = whole
            at = 0
            end = len(data)
        else:
            return _NESTED
        if jumbo and protocol != PROTOCOL_TCP:
            return _BAD_HEADER
        return self._transport(time, protocol, data, at, end, src_ip, dst_ip, vlan, depth)

    def _transport(
        self,
        time: int,
        protocol: int,
        data: bytes,
        at: int,
        end: int,
        src_ip: bytes,
        dst_ip: bytes,
        vlan: int,
        depth: int,
    ) -> Packets | int:
        if protocol == PROTOCOL_UDP:
            return self._udp(time, data, at, end, src_ip, dst_ip, vlan, depth)
        if protocol == PROTOCOL_TCP:
            return _segment(time, data, at, end, src_ip, dst_ip, vlan)
        if protocol == PROTOCOL_SCTP:
            return self._sctp.read(time, data, at, end, src_ip, dst_ip, vlan)
        if protocol in tunnel.PROTOCOLS:
            inner = tunnel.in_ip(protocol, data, at, erspan=self._erspan)
            if isinstance(inner, int):
                return inner
            return self._inner(time, data, *inner, end, vlan, depth)
        if protocol == _AUTHENTICATION:
            return self._extended(time, protocol, data, at, end, src_ip, dst_ip, vlan, depth)
        return _OTHER_PROTOCOL

    def _udp(
        self,
        time: int,
        data: bytes,
        at: int,
        end: int,
        src_ip: bytes,
        dst_ip: bytes,
        vlan: int,
        depth: int,
    ) -> Packets | int:
        if end - at < 8 or len(data) - at < 8:
            return _cut(data, end)
        src_port, dst_port, size = _udp(data, at)
        if size < 8 or at + size > end:
            return _BAD_HEADER
        if size == 8:
            return _EMPTY
        end = at + size
        at += 8
        if dst_port in tunnel.DESTINATION_PORTS or src_port == tunnel.HPERM_PORT:
            inner = tunnel.in_udp(src_port, dst_port, data, at)
            if inner is not None:
                return self._inner(time, data, *inner, end, vlan, depth)
        if end > len(data):
            return _TRUNCATED
        return (
            _new(
                Packet,
                (time, 17, src_ip, dst_ip, src_port, dst_port, vlan, data[at:end], 0, 0),
            ),
        )

    def _inner(
        self, time: int, data: bytes, kind: int, at: int, end: int, vlan: int, depth: int
    ) -> Packets | int:
        """A tunnel's packet, once. If it was cut off, its own lengths say so."""
        if depth == MAX_TUNNELS:
            return _NESTED
        if at > end:
            return _SHORT
        data = data[at:end]
        place = network(kind, data, 0, vlan)
        return place if isinstance(place, int) else self._ip(time, data, *place, depth + 1)


def _segment(
    time: int, data: bytes, at: int, end: int, src_ip: bytes, dst_ip: bytes, vlan: int
) -> Packets | int:
    """A TCP segment (RFC 9293 §3.1) that has user data, or opens or ends a stream."""
    limit = min(end, len(data))
    if limit - at < 20:
        return _cut(data, end)
    src_port, dst_port, sequence, header, flags = _tcp(data, at)
    header = header >> 4 << 2
    if header < 20:
        return _BAD_HEADER
    at += header
    if at > limit:
        return _cut(data, end)
    if end > limit:
        # What is there may hold whole messages. A gap follows, and FIN would not be where it was.
        flags &= ~_FIN_PSH
        if at == limit and not flags & _FIN_SYN_RST:
            return _TRUNCATED
    elif at == end and not flags & _FIN_SYN_RST:
        return _EMPTY
    return (
        _new(
            Packet,
            (
                *(time, PROTOCOL_TCP, src_ip, dst_ip, src_port, dst_port, vlan),
                *(data[at:limit], sequence, flags),
            ),
        ),
    )


def _cut(data: bytes, end: int) -> int:
    """Why a header is not all there: cut off while capturing, or shorter than it should be."""
    return _TRUNCATED if end > len(data) else _SHORT
