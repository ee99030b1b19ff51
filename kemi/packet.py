# SPDX-License-Identifier: GPL-2.0-or-later
"""The bytes of the packet that Kamailio is processing, as KEMI lets a script have them.

KEMI strings must be UTF-8, so the packet comes over as text. A transformation's result has at most
65,535 characters: hexadecimal holds 32,767 bytes, base64 49,149. The transformations that cut a
piece out of a longer packet copy C strings, so a piece ends at its first NUL byte; larger packets
are therefore read from NUL to NUL. Measured on Kamailio 5.6.3.
"""

from __future__ import annotations

from binascii import a2b_base64, unhexlify
from typing import Final

import KSR

MAX_HEX_BYTES: Final = 32_767
MAX_BASE64_BYTES: Final = 49_149
MAX_NULS: Final = 4_096
"""Reading from NUL to NUL costs about 8 µs each: a packet of NULs must not hold up a worker."""

_FIRST_WINDOW: Final = 128
_LARGEST_WINDOW: Final = 32_000
_PIECE: Final = "$(mb{s.strip,$var(begin)}{s.striptail,$var(rest)}{s.encode.hexa})"


def read() -> bytes | None:
    """The packet of up to ``MAX_HEX_BYTES``, the common case; see ``read_large``."""
    text = text_of("$(mb{s.encode.hexa})")
    return unhexlify(text) if text else None


def read_large() -> bytes | None:
    """A packet of any size; None if it has too many NUL bytes to be read in reasonable time."""
    size = number_of("$ml")
    if size <= MAX_HEX_BYTES:
        return read()
    if size <= MAX_BASE64_BYTES:
        return a2b_base64(text_of("$(mb{s.encode.base64})"))
    return _read_pieces(size)


def text_of(name: str) -> str:
    """A pseudo-variable's text; empty if it has none."""
    value = KSR.pv.get(name)
    return value if isinstance(value, str) else ""


def number_of(name: str) -> int:
    """A pseudo-variable's number; 0 if it has none."""
    value = KSR.pv.get(name)
    return value if isinstance(value, int) else 0


def _read_pieces(size: int) -> bytes | None:
    data = bytearray()
    window = _FIRST_WINDOW
    nuls = 0
    while len(data) < size:
        begin = len(data)
        KSR.pv.seti("$var(begin)", begin)
        KSR.pv.seti("$var(rest)", max(0, size - begin - window))
        piece = unhexlify(text_of(_PIECE))
        end = piece.find(0)
        if end < 0:
            data += piece
            window = min(2 * window, _LARGEST_WINDOW)
            if not piece:
                return None
        else:
            data += piece[: end + 1]
            window = _FIRST_WINDOW
            nuls += 1
            if nuls > MAX_NULS:
                return None
    return bytes(data)
