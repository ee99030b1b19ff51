# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads PostgreSQL's binary COPY format back, as its manual describes it; knows no encoder."""

from __future__ import annotations

import ipaddress
import json
import struct
from typing import Any

from collector.columns import SIP_MESSAGE, Column

_EPOCH_US = 946_684_800_000_000
"""2000-01-01 in µs since 1970."""

Row = dict[str, Any]


def read_rows(data: bytes | bytearray, columns: tuple[Column, ...] = SIP_MESSAGE) -> list[Row]:
    """Rows without header and trailer, as dicts; times in µs since 1970, addresses as text."""
    rows = []
    position = 0
    while position < len(data):
        (count,) = struct.unpack_from(">h", data, position)
        assert count == len(columns)
        position += 2
        row: Row = {}
        for column in columns:
            (length,) = struct.unpack_from(">i", data, position)
            position += 4
            assert length >= -1
            value = None if length < 0 else data[position : position + length]
            assert value is None or len(value) == length, "a field runs past the end"
            position += max(0, length)
            row[column.name] = None if value is None else _decode(column.type, bytes(value))
        rows.append(row)
    assert position == len(data)
    return rows


def _decode(kind: str, value: bytes) -> Any:
    match kind:
        case "timestamp with time zone":
            return struct.unpack(">q", value)[0] + _EPOCH_US
        case "bigint":
            return struct.unpack(">q", value)[0]
        case "integer":
            return struct.unpack(">i", value)[0]
        case "real":
            return struct.unpack(">f", value)[0]
        case "smallint":
            return struct.unpack(">h", value)[0]
        case "text":
            text = value.decode()
            assert "\0" not in text
            return text
        case "bytea":
            return value
        case "jsonb":
            assert value[:1] == b"\x01"
            return json.loads(value[1:])
        case "inet":
            return _inet(value)
    message = f"the reader does not know {kind}"
    raise AssertionError(message)


def _inet(value: bytes) -> str:
    family, bits, is_cidr, length = value[:4]
    assert is_cidr == 0
    assert len(value) == 4 + length
    if family == 2:
        assert (bits, length) == (32, 4)
        return str(ipaddress.IPv4Address(value[4:]))
    assert (family, bits, length) == (3, 128, 16)
    return str(ipaddress.IPv6Address(value[4:]))
