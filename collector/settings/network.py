# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks, as the settings write them."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: str) -> Network:
    """``192.0.2.0/24``, or one address. Raises ValueError that says what is wrong."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        message = f"{text!r} is not an address or a network with its prefix length: {error}"
        raise ValueError(message) from None
