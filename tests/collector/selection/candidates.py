# SPDX-License-Identifier: GPL-2.0-or-later
"""Candidates for filters, from packets and messages."""

from __future__ import annotations

from typing import Any

from collector import hep, sip
from collector.causes import Cause
from collector.selection.candidate import Candidate
from tests.sip_text import packet, request

ARRIVAL = 1_790_000_000_000_000_000 & -64


def candidate(
    message: bytes | None = None, *, record_id: int = ARRIVAL, **fields: Any
) -> Candidate:
    """As the hop makes it; ``fields`` of the HEP packet."""
    message = request() if message is None else message
    decoded = hep.decode(packet(message, at=ARRIVAL / 1e9, **fields))
    assert not isinstance(decoded, Cause)
    found = sip.extract(decoded.payload) if decoded.type == hep.TYPE_SIP else None
    return Candidate(record_id, decoded, found, decoded.node_name or b"%d" % decoded.capture_id)
