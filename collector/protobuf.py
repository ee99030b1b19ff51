# SPDX-License-Identifier: GPL-2.0-or-later
"""The Protobuf form of HEP, which heplify and its forks send when told to: bytes in, values out.

One proto2 message whose fields are all required. It carries no magic, so what lacks a field, has
one of another type, or a number out of range, is none of these packets. Unknown fields are skipped
as Protobuf demands. There is no node name in it.
"""

from __future__ import annotations

import socket
from typing import Final

from collector.causes import Cause
from collector.hep import VERSION_PROTOBUF, Hep

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4 are groups, which nobody has used for this message."""

_FAMILY, _PROTOCOL, _SRC_IP, _DST_IP, _SRC_PORT, _DST_PORT, _SECONDS, _MICROSECONDS = range(1, 9)
_TYPE, _CAPTURE_ID, _AUTH_KEY, _PAYLOAD, _CORRELATION_ID, _VLAN = range(9, 15)

_LARGEST: Final = {
    _FAMILY: 0xFF,
    _PROTOCOL: 0xFF,
    _SRC_PORT: 0xFFFF,
    _DST_PORT: 0xFFFF,
    _SECONDS: 0xFFFF_FFFF,
    _MICROSECONDS: 0xFFFF_FFFF,
    _TYPE: 0xFF,
    _CAPTURE_ID: 0xFFFF_FFFF,
    _VLAN: 0xFFFF,
}
"""The numbers and their largest value, that of the HEP3 chunk; microseconds are those to add."""
_TEXTS: Final = (_SRC_IP, _DST_IP, _AUTH_KEY, _PAYLOAD, _CORRELATION_ID)
_FIELDS: Final = frozenset((*_LARGEST, *_TEXTS))
_MOST_FIELDS: Final = 64
"""More than four times as many as there are: what has more is something else, and long to read."""
_LARGEST_FIELD_NUMBER: Final = (1 << 29) - 1
_LONGEST_ADDRESS: Final = 45
"""Characters of an IPv6 address with an IPv4 one at its end."""


def decode(data: bytes) -> Hep | Cause:
    """Decode one datagram or WebSocket message that has no HEP magic.

    ``Hep.version`` is ``VERSION_PROTOBUF``. Returns ``NOT_HEP`` for anything else, never raises.
    """
    fields = _read_fields(data)
    if fields is None or fields.keys() < _FIELDS:
        return Cause.NOT_HEP
    numbers: dict[int, int] = {}
    texts: dict[int, bytes] = {}
    for number, value in fields.items():
        if isinstance(value, int):
            numbers[number] = value
        else:
            texts[number] = value
    addresses = [_pack_address(texts[number]) for number in (_SRC_IP, _DST_IP)]
    if None in addresses or any(numbers[n] > most for n, most in _LARGEST.items()):
        return Cause.NOT_HEP
    return Hep(
        VERSION_PROTOBUF,
        numbers[_PROTOCOL],
        addresses[0] or b"",
        addresses[1] or b"",
        numbers[_SRC_PORT],
        numbers[_DST_PORT],
        numbers[_SECONDS],
        numbers[_MICROSECONDS],
        numbers[_TYPE],
        numbers[_CAPTURE_ID],
        texts[_PAYLOAD],
        texts[_CORRELATION_ID],
        b"",
        texts[_AUTH_KEY],
        numbers[_VLAN],
    )


def encode(packet: Hep) -> bytes:
    """Encode the fields that this form has, in the order of their numbers."""
    values: tuple[int | bytes, ...] = (
        10 if 16 in (len(packet.src_ip), len(packet.dst_ip)) else socket.AF_INET,
        packet.protocol,
        _format_address(packet.src_ip),
        _format_address(packet.dst_ip),
        *(packet.src_port, packet.dst_port, packet.seconds, packet.microseconds),
        *(packet.type, packet.capture_id, packet.auth_key, packet.payload),
        *(packet.correlation_id, packet.vlan),
    )
    data = bytearray()
    for number, value in enumerate(values, 1):
        if isinstance(value, int):
            data += _varint(number << 3 | _VARINT) + _varint(value)
        else:
            data += _varint(number << 3 | _BYTES) + _varint(len(value)) + value
    return bytes(data)


def _read_fields(data: bytes) -> dict[int, int | bytes] | None:
    """The known fields by number, the last one where one comes twice; None if it is malformed."""
    fields: dict[int, int | bytes] = {}
    size = len(data)
    position = 0
    for _ in range(_MOST_FIELDS):
        if position >= size:
            break
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _LARGEST_FIELD_NUMBER:
            return None
        if number in _FIELDS and wire_type != (_VARINT if number in _LARGEST else _BYTES):
            return None
        if wire_type == _VARINT:
            value, position = _read_varint(data, position)
            if value < 0:
                return None
            if number in _LARGEST:
                fields[number] = value
        elif wire_type == _BYTES:
            length, begin = _read_varint(data, position)
            position = begin + length
            if length < 0 or position > size:
                return None
            if number in _TEXTS:
                fields[number] = data[begin:position]
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
        else:
            return None
    return fields if position == size else None


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at a position and the position behind it; -1 if it is cut off or too long."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return -1, position


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _pack_address(text: bytes) -> bytes | None:
    """4 or 16 bytes, none for an empty text; None if it is no address."""
    if not text:
        return b""
    if len(text) > _LONGEST_ADDRESS or not text.isascii() or 0 in text:
        return None
    try:
        return socket.inet_pton(socket.AF_INET6 if b":" in text else socket.AF_INET, text.decode())
    except OSError:
        return None


def _format_address(packed: bytes) -> bytes:
    if not packed:
        return b""
    family = socket.AF_INET6 if len(packed) == 16 else socket.AF_INET
    return socket.inet_ntop(family, packed).encode()
