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
        self._rest = bytearray()
        self._wanted = HEADER_BYTES
        """Bytes of a packet that must be there before it is worth looking again."""
        self.error: Cause | None = None
        """Set when the stream cannot be followed any further; the connection must be closed."""

    @property
    def is_inside(self) -> bool:
        """Whether a packet has begun and is not complete."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are complete with ``data``; after an error only those before it."""
        if self.error is not None:
            return []
        if self._rest:
            # Not joined before it is worth it: a packet may come byte by byte.
            self._rest += data
            if len(self._rest) < self._wanted:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        packets = []
        begin, size = 0, len(data)
        self._wanted = HEADER_BYTES
        while size - begin >= HEADER_BYTES:
            if data[begin : begin + 4] not in MAGICS:
                self.error = Cause.NOT_HEP
                break
            length = data[begin + 4] << 8 | data[begin + 5]
            if length < HEADER_BYTES:
                self.error = Cause.HEP_LENGTH
                break
            end = begin + length
            if end > size:
                self._wanted = length
                break
            packets.append(data[begin:end])
            begin = end
        if self.error is None and begin < size:
            self._rest += data[begin:]
        return packets
