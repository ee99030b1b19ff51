# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over a byte stream: packets follow each other without any framing but their own length."""

from __future__ import annotations

from typing import Final

from collector.causes import Cause
from collector.hep import MAGICS

HEADER_BYTES: Final = 6


class Framer:
    """Cuts a stream into HEP3 packets. Bytes in, packets out; holds at most one packet's rest.

    HEPv1 and v2 have no length and cannot be sent over a stream.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.error: Cause | None = None
        """Set when the stream cannot be followed any further; the connection must be closed."""

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are complete with ``data``; after an error only those before it."""
        if self.error is not None:
            return []
        buffer = self._rest + data
        packets = []
        offset = 0
        while len(buffer) - offset >= HEADER_BYTES:
            if buffer[offset : offset + 4] not in MAGICS:
                self.error = Cause.NOT_HEP
                break
            length = int.from_bytes(buffer[offset + 4 : offset + 6])
            if length < HEADER_BYTES:
                self.error = Cause.HEP_LENGTH
                break
            if offset + length > len(buffer):
                break
            packets.append(buffer[offset : offset + length])
            offset += length
        self._rest = b"" if self.error else buffer[offset:]
        return packets
