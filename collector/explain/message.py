# SPDX-License-Identifier: GPL-2.0-or-later
"""A stored message, read as far as an explanation needs it. Nothing here raises on odd rows."""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from collector import sdp, sip
from collector.moment import EPOCH
from collector.sdp import Audio

MAX_VIAS: Final = 100
"""Via entries that are read; RFC 3261 §8.1.1.6 lets a request make 70 hops."""
_BRANCH: Final = re.compile(r";\s*branch\s*=\s*([^;,\s]*)", re.IGNORECASE)
_HEADERS: Final = frozenset(
    (
        *(b"via", b"reason", b"warning", b"require", b"unsupported", b"contact", b"content-type"),
        *(b"www-authenticate", b"proxy-authenticate", b"authorization", b"proxy-authorization"),
        *(b"retry-after", b"session-expires", b"min-se", b"rseq", b"rack", b"replaces"),
        *(b"refer-to", b"event", b"subscription-state", b"max-forwards", b"supported"),
    )
)


class Endpoint(NamedTuple):
    """Address and port as captured; ``ip`` is empty when the sender did not know it."""

    ip: str
    port: int

    def __str__(self) -> str:
        if not self.ip:
            return "an unknown address"
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, eq=False)
class Message:
    """One row. Text is empty and ``status`` 0 where the row has null; ``cseq`` is -1 then."""

    id: int
    ts: datetime
    src: Endpoint
    dst: Endpoint
    method: str
    status: int
    reason: str
    cseq: int
    transport: str
    node: str
    ruri_user: str
    from_user: str
    from_tag: str
    to_user: str
    to_tag: str
    pai_user: str
    auth_user: str
    agent: str
    branch: str
    fault: str
    raw: bytes
    copies: list[Message] = field(default_factory=list)
    """The same message as others captured it, or as it was captured again."""

    @property
    def order(self) -> tuple[datetime, int]:
        """Where it stands among the others: time of capture, then of arrival."""
        return self.ts, self.id

    @property
    def is_request(self) -> bool:
        """False for a response."""
        return not self.status

    @property
    def is_final(self) -> bool:
        """A response that ends its transaction (RFC 3261 §7.2)."""
        return self.status >= 200

    def header(self, name: str) -> str:
        """The first value of a header, by its lower-case name; empty when it is absent."""
        values = self.headers(name)
        return values[0] if values else ""

    def headers(self, name: str) -> list[str]:
        """All values of a header in their order."""
        return [value.decode("utf-8", "replace") for value in self._headers.get(name.encode(), ())]

    @cached_property
    def _headers(self) -> dict[bytes, list[bytes]]:
        return sip.find_all_headers(self.raw, _HEADERS)

    @cached_property
    def branches(self) -> list[str]:
        """Branch of each Via from the top one down: the way from here back to the caller."""
        listed = ",".join(self.headers("via"))
        values = listed.split(",", MAX_VIAS)[:MAX_VIAS] if listed else []
        found = [_BRANCH.search(value) for value in values]
        return [match[1] if match else "" for match in found]

    @cached_property
    def body(self) -> bytes:
        """What follows the empty line."""
        blank = sip.find_empty_line(self.raw, 0, len(self.raw))
        return self.raw[blank[1] :] if blank else b""

    @cached_property
    def audio(self) -> Audio | None:
        """The audio stream of its SDP."""
        return sdp.parse(self.body)

    @property
    def media_ip(self) -> str:
        """Where its SDP wants the audio; empty when it has none or gives a host name."""
        return str(ipaddress.ip_address(self.audio.ip)) if self.audio and self.audio.ip else ""


def from_row(row: Mapping[str, Any]) -> Message:
    """A row of ``sip_message`` by column name; what is missing counts as null."""

    def text(name: str) -> str:
        value = row.get(name)
        return value if isinstance(value, str) else ""

    def number(name: str, absent: int = 0) -> int:
        value = row.get(name)
        return value if isinstance(value, int) else absent

    def endpoint(side: str) -> Endpoint:
        ip = row.get(f"{side}_ip")
        return Endpoint("" if ip is None else str(ip), number(f"{side}_port"))

    ts = row.get("ts")
    raw = row.get("raw")
    return Message(
        id=number("id"),
        ts=ts if isinstance(ts, datetime) else EPOCH,
        src=endpoint("src"),
        dst=endpoint("dst"),
        method=text("method"),
        status=number("status"),
        reason=text("reason"),
        cseq=number("cseq", -1),
        transport=text("transport"),
        node=text("node"),
        ruri_user=text("ruri_user"),
        from_user=text("from_user"),
        from_tag=text("from_tag"),
        to_user=text("to_user"),
        to_tag=text("to_tag"),
        pai_user=text("pai_user"),
        auth_user=text("auth_user"),
        agent=text("user_agent"),
        branch=text("via_branch"),
        fault=text("fault"),
        raw=bytes(raw) if isinstance(raw, bytes | bytearray | memoryview) else b"",
    )


COPY_S: Final = 0.05
"""The same bytes again within this time are a copy; a retransmission takes T1, 0.5 s, at least."""


def fold(rows: list[Message]) -> list[Message]:
    """The messages in order, copies put away in the message that they are copies of.

    The same bytes are a retransmission when the capture point that saw most of them saw them twice,
    and a copy when another saw them, or the same one at once.
    """
    alike: dict[bytes, dict[tuple[str, Endpoint, Endpoint], list[Message]]] = {}
    for message in sorted(rows, key=lambda m: m.order):
        key = (message.node, message.src, message.dst)
        alike.setdefault(message.raw or b"%d" % message.id, {}).setdefault(key, []).append(message)
    kept: list[Message] = []
    for views in alike.values():
        best = max(views.values(), key=len)
        sent: list[Message] = []
        for message in best:
            if sent and (message.ts - sent[-1].ts).total_seconds() < COPY_S:
                sent[-1].copies.append(message)
            else:
                sent.append(message)
        for view in views.values():
            if view is not best:
                for message in view:
                    _nearest(sent, message).copies.append(message)
        kept += sent
    return sorted(kept, key=lambda m: m.order)


def _nearest(sent: list[Message], message: Message) -> Message:
    """The sending that a copy is most likely of."""
    after = bisect_left(sent, message.ts, key=lambda m: m.ts)
    around = sent[max(0, after - 1) : after + 1]
    return min(around, key=lambda m: abs((m.ts - message.ts).total_seconds()))
