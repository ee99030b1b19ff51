# SPDX-License-Identifier: GPL-2.0-or-later
"""``-dd``: the same packet captured twice, as on two interfaces, or with a VLAN tag and without."""

from __future__ import annotations

from typing import Final

from agent.packet.packet import Packet

WINDOW_US: Final = 400_000
"""Capture time within which a packet is the same one again; below SIP's first retransmission after
500 ms (RFC 3261 §17.1.1.1), which is a message of its own."""
MOST: Final = 70_000
"""Packets remembered in a generation: two of them take 20 MB. At 175,000 packets/s the window gets
shorter, and then a duplicate may be sent."""


class Duplicates:
    """Remembers the packets of the last ``WINDOW_US``.

    What routers and switches change on the way does not count: link headers, VLAN tag, TTL, how the
    packet was fragmented. So it looks at transport payloads and not at frames.
    """

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        """What was ``_young`` before."""
        self._since = 0

    def discards(self, packet: Packet) -> bool:
        """Whether the packet was there before; one without payload never was.

        A copy does not prolong the window of the packet that was first.
        """
        if not packet.payload:
            return False
        time = packet.time
        if abs(time - self._since) >= WINDOW_US or len(self._young) >= MOST:
            self._old, self._young = self._young, {}
            self._since = time
        # Python's hash has a secret of this process: nobody can make two packets look the same.
        key = hash((packet[1:6], packet.payload, packet.sequence, packet.flags))
        first = self._young.get(key)
        if first is None:
            first = self._old.get(key)
        if first is not None and abs(time - first) < WINDOW_US:
            return True
        self._young[key] = time
        return False
