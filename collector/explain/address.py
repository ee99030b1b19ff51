# SPDX-License-Identifier: GPL-2.0-or-later
"""Which addresses others can reach."""

from __future__ import annotations

import ipaddress
from typing import Final

_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        *("100.64.0.0/10", "169.254.0.0/16"),  # RFC 6598, RFC 3927
        *("fc00::/7", "fe80::/10"),  # RFC 4193, RFC 4291
    )
)
_LOCAL: Final = tuple(ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1/128"))

_ALL: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def is_private(ip: str) -> bool:
    """Whether an address is one of a private network."""
    return _within(ip, _PRIVATE)


def is_public(ip: str) -> bool:
    """Whether an address is one of the Internet, as far as its form tells."""
    return _within(ip, _ALL) and not _within(ip, (*_PRIVATE, *_LOCAL))


def is_local(ip: str) -> bool:
    """Whether an address means everybody's own machine."""
    return _within(ip, _LOCAL)


def _within(ip: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
