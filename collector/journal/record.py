# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal record: one received packet with its time of arrival and the peer that sent it.

Layout, little-endian, 40 bytes and the packet::

    0   4  magic "KREC"
    4   4  CRC-32 of everything after this field
    8   4  length of the packet in bytes
    12  8  id: time of arrival in ns since 1970, low 6 bits replaced by the writer slot
    20  2  peer port
    22  1  transport: 0 UDP, 1 TCP, 2 TLS, 3 WebSocket
    23  1  zero
    24 16  peer address, IPv4 mapped into IPv6
    40     packet
"""

from __future__ import annotations

import ipaddress
import struct
from enum import IntEnum
from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"KREC"
_HEADER: Final = struct.Struct("<4sIIQHBx16s")
_CHECKED: Final = struct.Struct("<IQHBx16s")
_PREFIX: Final = struct.Struct("<4sI")
_CHECKED_FROM: Final = 8
HEADER_BYTES: Final = _HEADER.size

MAX_PACKET_BYTES: Final = 1 << 20
"""No sender can reach this (UDP and HEP3 end at 65,535): a longer length field is damage."""

SLOT_BITS: Final = 6
"""Low bits of the id that name the writer slot, so that ids of one node are unique."""

OTHER_PEER: Final = bytes(16)
"""No peer has this address: it stands for those that are counted together."""

MAPPED: Final = b"\0" * 10 + b"\xff\xff"
"""Stands before an IPv4 address that is mapped into IPv6 (RFC 4291 §2.5.5.2)."""


class Transport(IntEnum):
    """How the packet reached us; not to be confused with the transport of the message in it."""

    UDP = 0
    TCP = 1
    TLS = 2
    WS = 3


class Record(NamedTuple):
    """One record. ``peer`` has 16 bytes; ``end`` is the offset of the next record."""

    id: int
    peer: bytes
    port: int
    transport: int
    packet: bytes
    end: int


_unpack_header = _HEADER.unpack_from


def pack(record_id: int, peer: bytes, port: int, transport: int, packet: bytes) -> bytes:
    """The bytes of one record. ``peer`` is a 16-byte address as ``pack_address`` makes it."""
    checked = _CHECKED.pack(len(packet), record_id, port, transport, peer) + packet
    return _PREFIX.pack(MAGIC, crc32(checked)) + checked


def unpack(buffer: bytes, offset: int) -> Record | None:
    """The record at ``offset``, or None when there is no complete and intact one."""
    begin = offset + HEADER_BYTES
    if begin > len(buffer):
        return None
    magic, crc, length, record_id, port, transport, peer = _unpack_header(buffer, offset)
    end = begin + length
    if magic != MAGIC or length > MAX_PACKET_BYTES or end > len(buffer):
        return None
    if crc32(buffer[offset + _CHECKED_FROM : end]) != crc:
        return None
    return Record(record_id, peer, port, transport, buffer[begin:end], end)


def find_next(buffer: bytes, offset: int) -> int:
    """Offset of the first intact record after the damage at ``offset``; -1 if there is none."""
    position = buffer.find(MAGIC, offset + 1)
    while position >= 0 and unpack(buffer, position) is None:
        position = buffer.find(MAGIC, position + 1)
    return position


def make_id(now_ns: int, slot: int, previous: int) -> int:
    """An id that is unique in the node and greater than ``previous``, whatever the clock does."""
    step = 1 << SLOT_BITS
    record_id = now_ns & -step | slot
    return record_id if record_id > previous else previous + step


def pack_address(text: str) -> bytes:
    """16 bytes for an address as text, IPv4 mapped into IPv6.

    Brackets and a scope id are ignored. Raises ValueError if it is no address.
    """
    address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    return address.packed if address.version == 6 else MAPPED + address.packed


def is_ipv4(peer: bytes) -> bool:
    """Whether a 16-byte address is one of IPv4."""
    return peer[:12] == MAPPED


def format_address(peer: bytes) -> str:
    """The text of a 16-byte address, IPv4 in dotted form."""
    if is_ipv4(peer):
        return str(ipaddress.IPv4Address(peer[12:]))
    return str(ipaddress.IPv6Address(peer))
