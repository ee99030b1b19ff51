# SPDX-License-Identifier: GPL-2.0-or-later
"""From the first byte of a frame to its IP header: link layers and tags.

A *kind* is an EtherType; 0x6558 says that a whole Ethernet frame follows, as it does in GRE.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as StructError  # noqa: N812 (the class has a small letter in struct)
from typing import Final

from agent.count import Count
from collector.hep import FAMILIES_IPV6, FAMILY_IPV4

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
ETHERNET_FRAME: Final = 0x6558
"""Transparent Ethernet Bridging (RFC 1701)."""
_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
"""802.1Q, 802.1ad, and what switches used for stacked tags before there was a standard."""
_MPLS: Final = frozenset({0x8847, 0x8848})
_PPPOE_SESSION: Final = 0x8864
_MAX_LENGTH: Final = 1500
"""Up to here the type field of Ethernet is a length (IEEE 802.3 §3.2.6)."""
_SNAP: Final = b"\xaa\xaa\x03\x00\x00\x00"
_PPP_KINDS: Final = {0x0021: IPV4, 0x0057: IPV6}
_MAX_HEADERS: Final = 16
"""Tags and the like in front of one IP header; nobody stacks more."""

_SHORT: Final = int(Count.SHORT)
_NOT_IP: Final = int(Count.NOT_IP)
_NESTED: Final = int(Count.NESTED)
_NO_KIND: Final = -1

TYPE_AND_IP: Final = {1: (12, 14), 113: (14, 16), 276: (0, 20)}
"""Ethernet, SLL and SLL2 → offsets of their type field and of what follows their header."""

_u16: Final = Struct(">H").unpack_from
_u16_pair: Final = Struct(">HH").unpack_from
_u32: Final = Struct(">I").unpack_from
_pppoe: Final = Struct(">xB4xH").unpack_from

Place = tuple[int, int, int]
"""IPV4 or IPV6, offset of the IP header, innermost VLAN id (0 for none)."""


def link(linktype: int) -> Callable[[bytes], Place | int]:
    """How frames of this link type are read: gives the place of the IP header, or a ``Count``.

    Numbers as in libpcap (``DLT_…``) and in files (``LINKTYPE_…``), which differ for raw IP.

    Raises:
        ValueError: nobody here can read that link type.
    """
    if linktype in TYPE_AND_IP:
        type_at, ip_at = TYPE_AND_IP[linktype]
        return lambda frame: _guarded(_typed, frame, type_at, ip_at)
    try:
        read = _OTHERS[linktype]
    except KeyError:
        message = f"link type {linktype} is not supported"
        raise ValueError(message) from None
    return lambda frame: _guarded(read, frame)


def network(kind: int, data: bytes, at: int, vlan: int) -> Place | int:
    """The place of the IP header behind what ``kind`` says is at ``at``, or a ``Count``.

    ``vlan`` is the id of the tag before, which holds unless there are more.
    """
    if kind in (IPV4, IPV6):
        return kind, at, vlan
    return _guarded(_network, kind, data, at, vlan)


def _guarded(read: Callable[..., Place | int], *arguments: object) -> Place | int:
    """Each read of a header checks its length: ``struct`` and indexing do."""
    try:
        return read(*arguments)
    except (StructError, IndexError):
        return _SHORT


def _network(kind: int, data: bytes, at: int, vlan: int) -> Place | int:
    for _ in range(_MAX_HEADERS):
        if kind in (IPV4, IPV6):
            return kind, at, vlan
        if kind in _TAGS:
            tag, kind = _u16_pair(data, at)
            vlan = tag & 0xFFF
            at += 4
        elif kind == ETHERNET_FRAME:
            (kind,) = _u16(data, at + 12)
            at += 14
        elif kind in _MPLS:
            # RFC 3032 §2.1: the last label has the bottom-of-stack bit.
            (label,) = _u32(data, at)
            at += 4
            kind = _under_mpls(data, at) if label & 0x100 else kind
            at += 4 if kind == ETHERNET_FRAME else 0
        elif kind == _PPPOE_SESSION:
            code, protocol = _pppoe(data, at)
            kind = _NO_KIND if code else _PPP_KINDS.get(protocol, _NO_KIND)
            at += 8
        elif 0 <= kind <= _MAX_LENGTH and data.startswith(_SNAP, at):
            (kind,) = _u16(data, at + 6)
            at += 8
        else:
            return _NOT_IP
    return _NESTED


def _under_mpls(data: bytes, at: int) -> int:
    """RFC 4928 §3: the first four bits tell IP from a pseudowire with its control word."""
    return ETHERNET_FRAME if data[at] >> 4 == 0 else _by_version(data, at)


def _by_version(data: bytes, at: int) -> int:
    return {4: IPV4, 6: IPV6}.get(data[at] >> 4, _NO_KIND)


def _typed(frame: bytes, type_at: int, ip_at: int) -> Place | int:
    return _network(_u16(frame, type_at)[0], frame, ip_at, 0)


def _raw(frame: bytes) -> Place | int:
    return _network(_by_version(frame, 0), frame, 0, 0)


def _loopback(frame: bytes) -> Place | int:
    """BSD's: the address family in front, in the order of the host that captured, or network's."""
    families = {int.from_bytes(frame[:4], "little"), int.from_bytes(frame[:4], "big")}
    if not families & {FAMILY_IPV4, *FAMILIES_IPV6}:
        return _SHORT if len(frame) < 4 else _NOT_IP
    return _network(_by_version(frame, 4), frame, 4, 0)


def _ppp(frame: bytes) -> Place | int:
    """RFC 1661 §2, with or without HDLC's address and control (RFC 1662 §3.1)."""
    at = 2 if frame.startswith(b"\xff\x03") else 0
    if frame[at] & 1:
        return _network(_PPP_KINDS.get(frame[at], _NO_KIND), frame, at + 1, 0)
    return _network(_PPP_KINDS.get(_u16(frame, at)[0], _NO_KIND), frame, at + 2, 0)


def _pppoe_frame(frame: bytes) -> Place | int:
    return _network(_PPPOE_SESSION, frame, 0, 0)


_OTHERS: Final[dict[int, Callable[[bytes], Place | int]]] = {
    **dict.fromkeys((12, 14, 101, 228, 229), _raw),
    **dict.fromkeys((0, 108), _loopback),
    **dict.fromkeys((9, 50), _ppp),
    51: _pppoe_frame,
}
"""Raw IP (DLT_RAW here and on OpenBSD, LINKTYPE_RAW, IPV4, IPV6), NULL and LOOP, PPP, PPPoE."""
