# SPDX-License-Identifier: GPL-2.0-or-later
"""Values in PostgreSQL's binary COPY format: what the rows of all tables are made of."""

from __future__ import annotations

import struct
from typing import Final

from collector.sip import Fault

COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"

POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 in µs since 1970: PostgreSQL counts timestamps from there."""

NULL: Final = b"\xff\xff\xff\xff"
EMPTY: Final = bytes(4)
"""A value of no bytes, such as the empty text."""

row_start = struct.Struct(">hiqiq").pack
"""Number of columns, and the two with which every table begins: 8, ts, 8, id."""
pack_int8 = struct.Struct(">iq").pack
pack_timestamp = pack_int8
"""Both are 8 bytes: a timestamp is µs since 2000."""
pack_int4 = struct.Struct(">ii").pack
pack_int2 = struct.Struct(">ih").pack
pack_ports = struct.Struct(">iiii").pack
"""Two integer columns: 4, source port, 4, destination port."""
pack_length = struct.Struct(">i").pack

# Length, family, prefix length, no-CIDR flag and address length of an inet value.
_INET4: Final = b"\0\0\0\x08\x02\x20\0\x04"
_INET6: Final = b"\0\0\0\x14\x03\x80\0\x10"

UNKNOWN_ADDRESSES: Final = frozenset({b"", bytes(4), b"\xff" * 4, bytes(16)})
"""What senders write when they do not know an address: siptrace 255.255.255.255, others 0."""
_RESERVED6: Final = bytes(4)
_SPECIAL6: Final = bytes(10)
"""IPv6 addresses that begin with 32 bits of 0 exist only where 80 are 0: ::1, IPv4-mapped. Others
come from sofia-sip, which copies the flow label and then what was in memory."""


def timestamp(moment: int | None) -> bytes:
    """A timestamptz value from µs since 1970."""
    return NULL if moment is None else pack_timestamp(8, moment - POSTGRES_EPOCH_US)


def smallint(value: int) -> bytes:
    """A smallint value; NULL for 0."""
    return pack_int2(2, value) if value else NULL


def text(value: bytes) -> bytes:
    """A text or bytea value; NULL when it is empty."""
    return pack_length(len(value)) + value if value else NULL


def text_or_empty(value: bytes) -> bytes:
    """A text value of a column that is never null."""
    return text(value) if value else EMPTY


def jsonb(value: bytes) -> bytes:
    """A jsonb value from JSON text; the byte before it is the version of the format."""
    return pack_length(1 + len(value)) + b"\x01" + value


def inet(address: bytes) -> bytes:
    """An inet value from 4 or 16 bytes; NULL when the sender did not know the address."""
    if address in UNKNOWN_ADDRESSES:
        return NULL
    if len(address) == 4:
        return _INET4 + address
    if address[:4] == _RESERVED6 and address[:10] != _SPECIAL6:
        return NULL
    return _INET6 + address


def clean_text(text: bytes, max_bytes: int) -> bytes:
    """One value as ``clean`` makes it; costs little when there is nothing to do."""
    if len(text) <= max_bytes and text.isascii() and b"\0" not in text:
        return text
    (cleaned,), _ = clean((text,), max_bytes)
    return cleaned


def clean(texts: tuple[bytes, ...], max_bytes: int) -> tuple[tuple[bytes, ...], Fault | None]:
    """Make values fit for text columns: valid UTF-8 without NUL, at most ``max_bytes`` each."""
    fault = None
    cleaned = []
    for text in texts:
        valid = text.decode("utf-8", "replace").replace("\0", "\ufffd").encode()
        if valid != text:
            fault = Fault.TEXT
        if len(valid) > max_bytes:
            valid = valid[:max_bytes].decode("utf-8", "ignore").encode()
            fault = fault or Fault.FIELD_LENGTH
        cleaned.append(valid)
    return tuple(cleaned), fault
