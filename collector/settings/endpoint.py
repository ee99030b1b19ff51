# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses to listen on, as the settings write them."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple


class Endpoint(NamedTuple):
    """An address to listen on."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}:{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """``udp:127.0.0.1:9060`` or ``tcp:[::1]:9060``. Raises ValueError that says what is wrong."""
    protocol, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if protocol not in ("udp", "tcp"):
        message = f"{text!r} does not begin with udp: or tcp:"
        raise ValueError(message)
    return Endpoint(protocol, *parse_host_port(f"{host}:{port}"))


def parse_host_port(text: str) -> tuple[str, int]:
    """``127.0.0.1:9080`` or ``[::1]:9080``. Raises ValueError that says what is wrong.

    The address comes back in its usual spelling, so that it can be compared as text.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        message = f"{text!r} does not have the form address:port"
        raise ValueError(message) from None
    if address.version == 6 and not bracketed:
        message = f"{text!r}: an IPv6 address stands in brackets"
        raise ValueError(message)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        message = f"{text!r}: the port must be 1 … 65535"
        raise ValueError(message)
    return str(address), int(port)
