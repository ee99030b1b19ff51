# SPDX-License-Identifier: GPL-2.0-or-later
"""What is captured of a call beside its messages: reports of its RTP, and log lines."""

from __future__ import annotations

from typing import Final

from collector import hep
from tests.flow import Flow, Message
from tests.flow_sip import Endpoint
from tests.quality_facts import rtcp

REPORT_S: Final = 5
"""RTCP is sent about that often (RFC 3550 §6.2)."""
PACKETS: Final = 250
"""Of 20 ms in that time."""
ALICE: Final = Endpoint("alice", "192.0.2.101", 49173)
BOB: Final = Endpoint("bob", "192.0.2.201", 3457)
"""Where the flows have their RTCP."""


class Beside(Message):
    """A packet of the HEP type that ``label`` names; ``sip`` is its payload."""

    __slots__ = ()

    @property
    def packet(self) -> bytes:
        """As HEP3."""
        packet = hep.decode(super().packet)
        assert isinstance(packet, hep.Hep)
        return hep.encode(packet._replace(type=int(self.label)))


def reports(
    found: Flow, count: int, *, leg: str = "", after_s: int = 5, loss_at: int = -1
) -> list[Message]:
    """So many RTCP reports of each side, from ``after_s`` on. What bob hears loses a quarter in the
    report ``loss_at``; jitter is 20 ms and 10 ms at the usual clock."""
    made = []
    for number in range(count):
        us = found.messages[0].us + (after_s + number * REPORT_S) * 1_000_000
        fraction = 64 if number == loss_at else 0
        lost = PACKETS // 4 if 0 <= loss_at <= number else 0
        sent = rtcp(packets=PACKETS * (number + 1), jitter=80)
        heard = rtcp(lost=lost, fraction=fraction, jitter=160, ssrc=0xB0B, source=0xA11CE)
        made.append(_beside(found, leg, hep.TYPE_RTCP, us, ALICE, BOB, sent))
        made.append(_beside(found, leg, hep.TYPE_RTCP, us + 1000, BOB, ALICE, heard))
    return made


def log(found: Flow, text: str, *, leg: str = "", after_s: float = 1) -> Message:
    """A line that alice's server wrote."""
    us = found.messages[0].us + round(after_s * 1e6)
    return _beside(found, leg, hep.TYPE_LOG, us, ALICE, BOB, text.encode())


def _beside(
    found: Flow, leg: str, kind: int, us: int, src: Endpoint, dst: Endpoint, payload: bytes
) -> Message:
    call_id = found.legs[leg]
    return Beside(str(kind), us, src, dst, "UDP", payload, leg, correlation_id=call_id)
