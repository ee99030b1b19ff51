# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses to listen on, as the settings write them."""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

UDP: Final = "udp"
TCP: Final = "tcp"
STREAMS: Final = (TCP, "tls", "ws", "wss")
ENCRYPTED: Final = ("tls", "wss")
"""Those of the streams that need a certificate."""


class Endpoint(NamedTuple):
    """An address to listen on."""

    protocol: str
    """``UDP`` or one of ``STREAMS``."""
    host: str
    port: int

    @property
    def is_stream(self) -> bool:
        """Whether it is a TCP socket, whatever is spoken over it."""
        return self.protocol in STREAMS

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}:{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """``udp:127.0.0.1:9060`` or ``tls:[::1]:9061``. Raises ValueError that says what is wrong."""
    protocol, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if protocol != UDP and protocol not in STREAMS:
        names = ", ".join(f"{name}:" for name in (UDP, *STREAMS))
        message = f"{text!r} does not begin with one of {names}"
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
