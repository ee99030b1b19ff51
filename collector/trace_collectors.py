# SPDX-License-Identifier: GPL-2.0-or-later
"""Several collectors as a proxy sees them: which there are, and which one a call goes to.

The proxy runs this in the Python of its distribution: nothing here needs more than that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from collector.errors import SettingsError
from collector.hep import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_TLS, PROTOCOL_UDP

MAX_COLLECTORS: Final = 16

_PROTOCOLS: Final = {"tcp": PROTOCOL_TCP, "sctp": PROTOCOL_SCTP}
_PROTOCOLS_OVER_TLS: Final = frozenset({"tls", "ws", "wss"})


class Mode(StrEnum):
    """How one of several collectors is chosen."""

    FAILOVER = "failover"
    """The first in the list that is up."""
    SPREAD = "spread"
    """By Call-ID, so that a call is at one collector as a whole, whatever proxies it passes."""


class Collector(NamedTuple):
    """Where HEP goes."""

    host: str
    """An address: a name would have to be looked up on the call path."""
    port: int


class Socket(NamedTuple):
    """One end of a SIP message's way, as HEP has it."""

    protocol: int
    ip: bytes
    """4 or 16 bytes."""
    port: int


def parse_collectors(text: str) -> tuple[Collector, ...]:
    """``192.0.2.10:9060,[2001:db8::10]:9060``. Raises SettingsError."""
    found = tuple(_parse_collector(part.strip()) for part in text.split(","))
    if len(found) > MAX_COLLECTORS or len(set(found)) < len(found):
        message = f"TRACE_COLLECTORS: at most {MAX_COLLECTORS}, each of them once"
        raise SettingsError(message)
    return found


def _parse_collector(text: str) -> Collector:
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 1 << 16:
        message = f"TRACE_COLLECTORS: {text!r} is not address:port; a name is not looked up"
        raise SettingsError(message)
    return Collector(str(address), number)


def parse_mode(text: str) -> Mode:
    """Raises SettingsError."""
    try:
        return Mode(text)
    except ValueError:
        message = f"TRACE_COLLECTOR_MODE: {text!r} is not one of {', '.join(Mode)}"
        raise SettingsError(message) from None


def parse_socket(text: str) -> Socket:
    """What siptrace says of a socket: ``udp:192.0.2.1:5060``, ``tls:[2001:db8::1]:5061``.

    Raises ValueError.
    """
    protocol, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    number = PROTOCOL_TLS if protocol in _PROTOCOLS_OVER_TLS else _PROTOCOLS.get(protocol)
    address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    return Socket(number or PROTOCOL_UDP, address.packed, int(port) & 0xFFFF)


def ranking(mode: Mode, collectors: Sequence[Collector], call_id: bytes) -> list[int]:
    """Positions in the list, the best for this call first.

    ``Mode.SPREAD`` is rendezvous hashing (highest random weight, Thaler and Ravishankar 1998): all
    proxies with the same list agree, in whatever order it is written, and a collector that goes or
    comes moves its own calls only.
    """
    places = range(len(collectors))
    if mode is Mode.FAILOVER:
        return list(places)
    weights = [
        blake2b(b"%s %d " % (host.encode(), port) + call_id, digest_size=8).digest()
        for host, port in collectors
    ]
    return sorted(places, key=lambda n: weights[n], reverse=True)


def in_turn(ranked: Sequence[int], down: Container[int]) -> list[int]:
    """What to try, in this order: all that are up, at last the best: it may be up again."""
    return [*(n for n in ranked if n not in down), ranked[0]]
