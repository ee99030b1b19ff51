# SPDX-License-Identifier: GPL-2.0-or-later
"""Where outputs send to and what they call their peers, as the settings write it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from collector.settings.endpoint import Endpoint, parse_host_port
from collector.settings.network import Network

PROTOCOLS: Final = ("udp", "tcp", "tls")
MAX_PEERS: Final = 200
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?\Z")
_PEER_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


def parse_target(text: str) -> Endpoint:
    """``udp:192.0.2.1:9060``, ``tls:homer.example.com:9061`` or ``tcp:[2001:db8::1]:9060``.

    Raises ValueError that says what is wrong.
    """
    protocol, _, rest = text.partition(":")
    if protocol not in PROTOCOLS:
        message = f"{text!r} does not begin with {', '.join(f'{name}:' for name in PROTOCOLS)}"
        raise ValueError(message)
    host, _, port = rest.rpartition(":")
    if is_host_name(host):
        # The rule for ports is the same whatever stands before it.
        with_address = host if host.replace(".", "").isdigit() else "127.0.0.1"
        try:
            address, number = parse_host_port(f"{with_address}:{port}")
        except ValueError as error:
            message = str(error).replace(f"{with_address}:{port}", text)
            raise ValueError(message) from None
        return Endpoint(protocol, address if with_address == host else host.lower(), number)
    return Endpoint(protocol, *parse_host_port(rest))


def is_host_name(text: str) -> bool:
    """Whether it can be the name of a host (RFC 1123 §2.1), or an address of IPv4."""
    return bool(_HOST_NAME.match(text)) and len(text) <= 253


def parse_peers(entries: Iterable[str]) -> Iterator[tuple[str, Network]]:
    """Names and networks of ``name=address,network …`` entries; raises ValueError.

    An entry without a name belongs to the one before: the environment has its lists separated by
    commas, too.
    """
    name = ""
    names = set()
    for entry in entries:
        before, equals, rest = entry.rpartition("=")
        if equals:
            name = before.strip()
            if not _PEER_NAME.match(name):
                message = f"{name!r} is no name: up to 64 letters, digits, dots, dashes"
                raise ValueError(message)
        if not name:
            message = f"{entry!r} does not have the form name=address,network"
            raise ValueError(message)
        names.add(name)
        for text in rest.replace(",", " ").split():
            try:
                yield name, ipaddress.ip_network(text, strict=False)
            except ValueError:
                message = f"{name}: {text!r} is neither an address nor a network"
                raise ValueError(message) from None
    if len(names) > MAX_PEERS:
        message = f"names {len(names)} peers; {MAX_PEERS} are the most"
        raise ValueError(message)
