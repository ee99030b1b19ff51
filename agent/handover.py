# SPDX-License-Identifier: GPL-2.0-or-later
"""The last step of a worker: a message as HEP into the journal, or counted with the reason."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from typing import Final

from agent.count import Count
from agent.counts import LAST_MESSAGE, Counts
from collector import hep, protobuf
from collector.hep import Hep
from collector.journal.record import OTHER_PEER
from collector.journal.writer import Writer
from collector.log import LimitedLog
from collector.output.wire import MAX_DATAGRAM
from collector.settings.endpoint import UDP, Endpoint

_JOURNALED: Final = int(Count.JOURNALED)
_TOO_LARGE: Final = int(Count.TOO_LARGE)
_NO_ROOM: Final = int(Count.NO_ROOM)


class Handover:
    """Appends to the journal of one worker and keeps its counts."""

    def __init__(
        self,
        writer: Writer,
        counts: Counts,
        servers: Iterable[Endpoint],
        *,
        as_protobuf: bool = False,
    ) -> None:
        """The servers say how long a packet may be: a UDP server takes less. ``as_protobuf`` is
        -protobuf: of what is captured here, not of what is passed on.
        """
        self._encode = _encode_protobuf if as_protobuf else encode
        self._writer = writer
        self._counts = counts
        self._largest = largest_packet(servers)
        self._limited = LimitedLog()
        self.waiting: list[bytes] = []
        """HEP packets that go with the next ``flush``, which makes a new list."""

    def put(self, message: Hep) -> None:
        """Hand over one message that was captured here, with the next ``flush``."""
        data = self._encode(message, self._largest)
        if data is None:
            self._counts[_TOO_LARGE] += 1
        else:
            self.waiting.append(data)

    def flush(self) -> None:
        """Append what was put: at once, that is half the work. Never waits."""
        if self.waiting:
            packets, self.waiting = self.waiting, []
            self._offer(packets, OTHER_PEER, 0, 0)

    def pass_on(self, packet: bytes, decoded: Hep, peer: bytes, port: int, transport: int) -> None:
        """Hand over one packet that was received, byte for byte if it is not too long.

        ``peer``, ``port`` and ``transport`` are as in ``collector.journal.record``.
        """
        if len(packet) > self._largest:
            self.put(decoded)
            self.flush()
        else:
            self._offer([packet], peer, port, transport)

    def _offer(self, packets: list[bytes], peer: bytes, port: int, transport: int) -> None:
        taken = self._writer.offer(packets, peer, port, transport)
        if taken:
            self._counts[_JOURNALED] += taken
            self._counts[LAST_MESSAGE] = int(time.time())
        if taken < len(packets):
            self._counts[_NO_ROOM] += len(packets) - taken
            self._limited.warn("room", f"messages are lost: {self._writer.last_error}")


def largest_packet(servers: Iterable[Endpoint]) -> int:
    """The longest HEP packet in bytes that all servers can get."""
    has_udp = any(server.protocol == UDP for server in servers)
    return MAX_DATAGRAM if has_udp else hep.MAX_PACKET


def encode(packet: Hep, largest: int) -> bytes | None:
    """HEP3 of at most ``largest`` bytes, with the payload compressed if it must be (chunk 0x10).

    None when it does not fit, or when a receiver would refuse to inflate it.
    """
    if len(packet.payload) < largest:
        try:
            data = hep.encode(packet)
        except ValueError:
            data = b""
        if data and len(data) <= largest:
            return data
    if len(packet.payload) > hep.MAX_INFLATED:
        return None
    extra = packet.extra | {hep.COMPRESSED: zlib.compress(packet.payload)}
    try:
        data = hep.encode(packet._replace(version=3, payload=b"", extra=extra))
    except ValueError:
        return None
    return data if len(data) <= largest else None


def _encode_protobuf(packet: Hep, largest: int) -> bytes | None:
    """The form in Protobuf, which cannot be compressed; None when it does not fit."""
    data = protobuf.encode(packet)
    return data if len(data) <= largest else None
