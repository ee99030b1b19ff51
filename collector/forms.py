# SPDX-License-Identifier: GPL-2.0-or-later
"""The forms in which packets and messages come: HEP 1, 2, 3 or in Protobuf, SIP bare or in JSON.

Whoever reads the journal reads it through this module, so that storing and every output know the
same forms. Nothing here raises.
"""

from __future__ import annotations

from typing import Final

from collector import hep, opensips, protobuf, sip
from collector.causes import Cause
from collector.hep import Hep
from collector.sip import Fault, Sip

_NOT_HEP: Final = Cause.NOT_HEP
_NO_SIP: Final = Fault.START_LINE
_PING: Final = hep.TYPE_PING
_SIP: Final = hep.TYPE_SIP


def decode(data: bytes) -> Hep | Cause:
    """A packet in any form of HEP; the one without a magic, Protobuf, is tried last."""
    packet = hep.decode(data)
    return protobuf.decode(data) if packet is _NOT_HEP else packet


def is_keepalive(packet: Hep) -> bool:
    """Whether it carries no message: a ping of an agent, or of a SIP endpoint."""
    return packet.type == _PING or (packet.type == _SIP and sip.is_keepalive(packet.payload))


def extract(packet: Hep) -> tuple[Hep, Sip | None]:
    """The packet and its SIP message; None when it has none.

    A message within OpenSIPS' JSON takes the place of the JSON.
    """
    if packet.type != _SIP:
        return packet, None
    message = sip.extract(packet.payload)
    if message.fault is _NO_SIP:
        inner = opensips.message(packet.payload)
        if inner:
            return packet._replace(payload=inner), sip.extract(inner)
    return packet, message
