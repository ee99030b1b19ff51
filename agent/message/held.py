# SPDX-License-Identifier: GPL-2.0-or-later
"""RTCP that came before the SDP of its call: held for a moment.

Early media starts before the answer is seen, and with several workers (-fw) SDP and RTCP of a call
come to different ones.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from agent.packet.packet import Packet

HOLD_US: Final = 1_000_000
"""How long a report waits for its call, by the capture's clock."""
MAX_HELD: Final = 1000
"""Reports that wait in a worker; the oldest one goes to make room."""


class Report(NamedTuple):
    """An RTCP packet that has been read, but whose call is not known."""

    packet: Packet
    payload: bytes
    """Its JSON."""
    ssrc: bytes


class Held:
    """The reports that wait, in the order of their arrival."""

    def __init__(self) -> None:
        self._reports: deque[Report] = deque()

    def __len__(self) -> int:
        return len(self._reports)

    def add(self, report: Report) -> Report | None:
        """Let a report wait; returns the one that has to go for it."""
        self._reports.append(report)
        return self._reports.popleft() if len(self._reports) > MAX_HELD else None

    def take(self) -> list[Report]:
        """All of them, which wait no more."""
        reports = list(self._reports)
        self._reports.clear()
        return reports
