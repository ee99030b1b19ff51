# SPDX-License-Identifier: GPL-2.0-or-later
"""The HEP chunks that few senders emit, as JSON for the column ``chunks``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from collector.hep import CHUNKS

_MACS: Final = (0x14, 0x15)
_MAX_INTEGER_BYTES: Final = 8
_WHITE: Final = {ord(white): " " for white in "\t\r\n"}
"""White space that text may have beside the blank."""


def to_json(extra: Mapping[int, bytes], max_bytes: int) -> bytes:
    """``Hep.extra`` as a JSON object by name.

    Chunks outside the specification are named ``0x0065``, those of a vendor ``3:0x0065``. Numbers
    are as sent, MAC addresses as text, other values text when they are, else hexadecimal. Of a
    value the first ``max_bytes`` are kept; how many chunks there can be is ``hep``'s limit.
    """
    return orjson.dumps(
        {_name(number): _value(number, data, max_bytes) for number, data in extra.items()}
    )


def _name(number: int) -> str:
    if number in CHUNKS:
        return CHUNKS[number].name
    vendor, number = divmod(number, 1 << 16)
    return f"{vendor}:0x{number:04x}" if vendor else f"0x{number:04x}"


def _value(number: int, data: bytes, max_bytes: int) -> str | int:
    if number in _MACS:
        return data[-6:].hex(":")
    if number in CHUNKS and CHUNKS[number].size == len(data) <= _MAX_INTEGER_BYTES:
        return int.from_bytes(data)
    text = data.decode(errors="replace")
    if "\ufffd" in text or not text.translate(_WHITE).isprintable():
        return data[: max_bytes // 2].hex()
    return data[:max_bytes].decode(errors="ignore")
