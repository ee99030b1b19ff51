# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures on the hosts of a test."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final

from agent.capture.live import Live
from tests.fix_network import Host

RING: Final = {"snap_length": 8192, "buffer_mb": 4}
FILTER: Final = "udp port 5060"


def opened(
    host: Host, interface: str = "veth0", filter_text: str = FILTER, **settings: Any
) -> closing[Live]:
    """A capture on a host; closed at the end of the ``with``."""
    with host.inside():
        return closing(Live(interface, filter_text=lambda _: filter_text, **(RING | settings)))
