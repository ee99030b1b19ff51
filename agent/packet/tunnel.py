# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers of tunnels: where the inner packet begins, and its kind (``agent.packet.link``).

Each function reads the bytes between ``at`` and the end of ``data``.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 (the class has a small letter in struct)
from typing import Final

from agent.count import Count
from agent.packet.link import ETHERNET_FRAME, IPV4, IPV6

IP_IN_IP: Final = 4
IPV6_IN_IP: Final = 41
GRE: Final = 47
ETHERIP: Final = 97
PROTOCOLS: Final = frozenset({IP_IN_IP, IPV6_IN_IP, GRE, ETHERIP})
"""IP protocol numbers (RFC 2003, 4213, 2784, 3378)."""

VXLAN_PORT: Final = 4789
GENEVE_PORT: Final = 6081
HPERM_PORT: Final = 7932
DESTINATION_PORTS: Final = frozenset({VXLAN_PORT, GENEVE_PORT, HPERM_PORT})

_CHECKSUM: Final = 0x8000
_ROUTING: Final = 0x4000
_KEY: Final = 0x2000
_SEQUENCE: Final = 0x1000
_VERSION: Final = 0x0007
_MAX_ROUTES: Final = 32
_ERSPAN: Final = frozenset({0x88BE, 0x22EB})
_ERSPAN_2_SIZE: Final = 8
_ERSPAN_3_SIZE: Final = 12
_ERSPAN_3_SUBHEADER: Final = 8
_ERSPAN_3_IP: Final = 2
_VXLAN_FLAGS: Final = frozenset({0x08, 0x88})
"""The VNI is valid (RFC 7348 §5), with or without a group policy."""
_GENEVE_KINDS: Final = frozenset({ETHERNET_FRAME, IPV4, IPV6})
_HPERM_SIZE: Final = 12

_SHORT: Final = int(Count.SHORT)
_BAD_HEADER: Final = int(Count.BAD_HEADER)
_NESTED: Final = int(Count.NESTED)
_OTHER_PROTOCOL: Final = int(Count.OTHER_PROTOCOL)

_gre: Final = Struct(">HH").unpack_from
_route: Final = Struct(">HxB").unpack_from
_geneve: Final = Struct(">BxH").unpack_from

Inner = tuple[int, int]
"""Kind of the inner packet, and its offset."""


def in_ip(protocol: int, data: bytes, at: int, *, erspan: bool) -> Inner | int:
    """What one of ``PROTOCOLS`` carries, or a ``Count``."""
    if protocol == IP_IN_IP:
        return IPV4, at
    if protocol == IPV6_IN_IP:
        return IPV6, at
    try:
        return gre(data, at, erspan=erspan) if protocol == GRE else _etherip(data, at)
    except (StructError, IndexError):
        return _SHORT


def gre(data: bytes, at: int, *, erspan: bool) -> Inner | int:
    """RFC 2784 and 2890, with the routing of RFC 1701.

    ERSPAN is read as such with ``erspan`` only; without it an Ethernet frame is expected at once,
    which is right for its type I.
    """
    flags, kind = _gre(data, at)
    if flags & _VERSION:
        return _OTHER_PROTOCOL
    at += 4
    at += 4 if flags & (_CHECKSUM | _ROUTING) else 0
    at += 4 if flags & _KEY else 0
    at += 4 if flags & _SEQUENCE else 0
    if flags & _ROUTING:
        for _ in range(_MAX_ROUTES):
            family, length = _route(data, at)
            at += 4 + length
            if not family and not length:
                break
        else:
            return _NESTED
    if kind not in _ERSPAN:
        return kind, at
    if not erspan or not flags & _SEQUENCE:
        return ETHERNET_FRAME, at
    return _erspan(data, at)


def _erspan(data: bytes, at: int) -> Inner | int:
    """Types II and III (draft-foschiano-erspan-03 §4); type I has no header and no sequence."""
    version = data[at] >> 4
    if version == 1:
        return ETHERNET_FRAME, at + _ERSPAN_2_SIZE
    if version != 2:
        return _BAD_HEADER
    last = data[at + _ERSPAN_3_SIZE - 1]
    frame_type = data[at + _ERSPAN_3_SIZE - 2] >> 2 & 0x1F
    at += _ERSPAN_3_SIZE
    if last & 1 and len(data) - at >= _ERSPAN_3_SUBHEADER:
        at += _ERSPAN_3_SUBHEADER
    if frame_type == _ERSPAN_3_IP:
        return (IPV6 if data[at] >> 4 == 6 else IPV4), at
    return ETHERNET_FRAME, at


def _etherip(data: bytes, at: int) -> Inner | int:
    if data[at] >> 4 != 3:
        return _BAD_HEADER
    return ETHERNET_FRAME, at + 2


def in_udp(src_port: int, dst_port: int, data: bytes, at: int) -> Inner | None:
    """What a UDP datagram carries; None if it is no tunnel, whatever its ports say."""
    try:
        if dst_port == VXLAN_PORT and data[at] in _VXLAN_FLAGS:
            return ETHERNET_FRAME, at + 8
        if dst_port == GENEVE_PORT:
            # RFC 8926 §3.4: version 0 in two bits, then the length of the options in words.
            options, kind = _geneve(data, at)
            if options >> 6 == 0 and kind in _GENEVE_KINDS:
                return kind, at + 8 + options * 4
        elif (
            HPERM_PORT in (src_port, dst_port)
            and data.startswith(bytes(9), at)
            and data[at + _HPERM_SIZE - 1] in (0x00, 0x80)
        ):
            return ETHERNET_FRAME, at + _HPERM_SIZE
    except (StructError, IndexError):
        pass
    return None
