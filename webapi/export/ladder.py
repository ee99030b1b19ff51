# SPDX-License-Identifier: GPL-2.0-or-later
"""The flow of a call: who sent what to whom, in the order of capture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collector.explain.message import Endpoint, Message, fold, from_row
from webapi.names.resolver import NO_NAMES, Resolver


class Hosts:
    """What is one host: an address, but each port of an address that talks to itself."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._by_port = {m.src.ip for m in messages if m.src.ip == m.dst.ip}

    def of(self, endpoint: Endpoint) -> str:
        """The host's name: address, or address and port."""
        if endpoint.ip in self._by_port or not endpoint.ip:
            return str(endpoint)
        return endpoint.ip


@dataclass(slots=True)
class Arrow:
    """A message on its way from one host to another."""

    message: Message
    leg: int
    """Position of its Call-ID in ``Ladder.legs``."""
    source: str
    destination: str
    last: datetime
    """When it was sent for the last time."""
    times: int = 1
    """How often it was sent: retransmissions are folded."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Arrows between hosts."""

    hosts: list[str]
    """In the order in which they appear."""
    legs: list[str]
    """Call-IDs, likewise."""
    arrows: list[Arrow]
    names: dict[str, str]
    """The aliases of hosts; of one with several ports there may be several."""

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], resolver: Resolver = NO_NAMES) -> Ladder:
        """Of rows of ``sip_message``; what several nodes saw of one message is one arrow."""
        by_leg: dict[str, list[Message]] = {}
        named: dict[Endpoint, str | None] = {}
        for row in rows:
            message, names = from_row(row), resolver.names(row)
            by_leg.setdefault(row["call_id"], []).append(message)
            named |= {
                message.src: names.get("src_name"),
                message.dst: names.get("dst_name"),
            }
        folded = [(leg, m) for leg, found in enumerate(by_leg.values()) for m in fold(found)]
        folded.sort(key=lambda pair: pair[1].order)
        hosts = Hosts(message for _, message in folded)
        order: dict[str, None] = {}
        arrows: dict[tuple[bytes, str, str], Arrow] = {}
        for leg, message in folded:
            source, destination = hosts.of(message.src), hosts.of(message.dst)
            order |= {source: None, destination: None}
            key = (message.raw, source, destination)
            if key in arrows:
                arrows[key].times += 1
                arrows[key].last = message.ts
            else:
                arrows[key] = Arrow(message, leg, source, destination, message.ts)
        of_host: dict[str, dict[str, None]] = {}
        for endpoint, name in named.items():
            if name is not None:
                of_host.setdefault(hosts.of(endpoint), {})[name] = None
        joined = {host: ", ".join(found) for host, found in of_host.items()}
        return cls(list(order), list(by_leg), list(arrows.values()), joined)
