# SPDX-License-Identifier: GPL-2.0-or-later
"""The HEP ping: how an agent with a password (-hp) shows itself on a new connection."""

from __future__ import annotations

from typing import Final

from agent.flags.options import Options
from collector import hep
from collector.hep import TYPE_PING, Hep

PAYLOAD: Final = b"HEP3\x03\n"
"""What heplify has there."""


def ping(options: Options) -> bytes:
    """The packet; empty without a password. It names no addresses, ports and time."""
    if not options.hp:
        return b""
    return hep.encode(
        Hep(
            *(3, 0, b"", b"", 0, 0, 0, 0, TYPE_PING, options.hi, PAYLOAD),
            node_name=options.hn,
            auth_key=options.hp,
        )
    )
