# SPDX-License-Identifier: GPL-2.0-or-later
"""The packets that an output looks into, and why it leaves the others."""

from __future__ import annotations

from collector import forms
from collector.causes import Cause
from collector.hep import Hep
from collector.journal.record import Record
from collector.output.fate import Fate
from collector.selection import Selection


def admit(found: Record, selection: Selection) -> Hep | Fate:
    """The packet of a record when it is one, has the right password, and carries a message."""
    packet = forms.decode(found.packet)
    if isinstance(packet, Cause):
        return Fate.MALFORMED
    if not selection.accepts(packet):
        return Fate.PASSWORD
    return Fate.KEEPALIVE if forms.is_keepalive(packet) else packet
