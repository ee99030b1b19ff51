# SPDX-License-Identifier: GPL-2.0-or-later
"""What a filter is asked about."""

from __future__ import annotations

from typing import NamedTuple

from collector.hep import Hep
from collector.sip import Sip


class Candidate(NamedTuple):
    """One packet that could be stored."""

    record_id: int
    """Time of arrival, ns since 1970; unique in its journal."""
    packet: Hep
    message: Sip | None
    """None when the packet is not SIP."""
    node: bytes

    @property
    def call_id(self) -> bytes:
        """Call-ID of a SIP message, else the HEP correlation id."""
        return self.message.call_id if self.message else self.packet.correlation_id
