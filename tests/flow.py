# SPDX-License-Identifier: GPL-2.0-or-later
"""Call flows as text files: who sends what when, and the rows that must come of it.

A file of ``tests/flows`` has these lines; what is indented belongs to the line above::

    # Any text; the first line is the flow's title.
    begins 2026-03-10T12:00:00Z          when time 0 is
    transport UDP
    endpoint alice 192.0.2.101:5060 alice@atlanta.example.com agent=Phone/1
    endpoint proxy 192.0.2.111:5060      without an address of record: a proxy or another server
    leg alice -> bob                     a Call-ID; ``leg A …`` names it when there are several
    F1  0.000  alice -> proxy  INVITE    label, seconds, hop, start line (flow_sip has the rest)
        sdp 192.0.2.101:49172 PCMU PCMA sendonly
        X-CID: added, or in the place of the header of that name
    F2  0.500  alice -> proxy  repeat F1 a retransmission
    F3  0.600  proxy -> alice  200 OK (CANCEL) [leg=B to=bob2 by=bob cseq=7 node=2002 at=…]
    F4  0.700  alice -> bob    verbatim  the whole message follows, indented
    call [LEG]                           a row of ``call``
        state completed                  a column; - is null
        answer F4                        a group of columns: its time and id are those of F4
    registration alice@atlanta.example.com [LEG]
    link A B header certain              an edge from a leg to a leg or to another id
    name:                                any other section, kept as text

Every group and time of a row that its file does not name must be null.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from collector import hep
from collector.hep import Hep
from tests.flow_sip import Endpoint, Leg, Line, Writer, sdp

FLOWS: Final = Path(__file__).parent / "flows"
NODE: Final = 2001
"""Capture node of a message that names none."""
_BEGINS: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
_MESSAGE: Final = re.compile(
    r"(?P<label>[A-Z]\d+)\s+(?P<at>\d+\.\d+)\s+(?P<src>\S+)\s+->\s+(?P<dst>\S+)\s+(?P<start>[^\[]+)"
    r"(?:\[(?P<options>.*)\])?$"
)
_LEG: Final = re.compile(r"leg\s+(?:(?P<name>\w+)\s+)?(?P<caller>\S+)\s+->\s+(?P<callee>\S+)(.*)")
_PROTOCOLS: Final = {
    "UDP": hep.PROTOCOL_UDP,
    "TCP": hep.PROTOCOL_TCP,
    "TLS": hep.PROTOCOL_TLS,
    "WS": hep.PROTOCOL_TLS,
    "WSS": hep.PROTOCOL_TLS,
}


class Message(NamedTuple):
    """One captured message."""

    label: str
    us: int
    """Capture time, µs since 1970."""
    src: Endpoint
    dst: Endpoint
    transport: str
    sip: bytes
    leg: str
    node: int = NODE
    correlation_id: str = ""

    def __repr__(self) -> str:
        return f"{self.label}({self.leg}) at {self.us} by {self.node}"

    @property
    def id(self) -> int:
        """Its time of arrival in ns: at once, the two nodes of a test in different slots."""
        return self.us * 1000 + self.node % 64

    @property
    def packet(self) -> bytes:
        """As HEP3."""
        packet = Hep(
            *(3, _PROTOCOLS[self.transport], self.src.packed, self.dst.packed),
            *(self.src.port, self.dst.port, self.us // 1_000_000, self.us % 1_000_000),
            *(hep.TYPE_SIP, self.node, self.sip),
        )
        return hep.encode(packet._replace(correlation_id=self.correlation_id.encode()))


class Expected(NamedTuple):
    """A row: ``values`` are as written, by column or group."""

    leg: str
    values: dict[str, str]
    aor: str = ""


class Link(NamedTuple):
    """An edge from a leg to another, or to an id that is none."""

    leg: str
    other: str
    reason: str
    confidence: str


@dataclass
class Flow:
    """One file."""

    name: str
    title: str = ""
    begins: datetime = _BEGINS
    transport: str = "UDP"
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    legs: dict[str, str] = field(default_factory=dict)
    """Call-IDs by name of the leg; the only leg of a flow has no name."""
    messages: list[Message] = field(default_factory=list)
    calls: list[Expected] = field(default_factory=list)
    registrations: list[Expected] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=dict)

    def message(self, label: str) -> Message:
        """The message with this label. Raises KeyError."""
        for message in self.messages:
            if message.label == label:
                return message
        raise KeyError(label)

    def of_leg(self, leg: str) -> list[Message]:
        """The messages with the leg's Call-ID."""
        return [message for message in self.messages if message.leg == leg]


def names() -> list[str]:
    """All flows."""
    return sorted(path.stem for path in FLOWS.glob("*.flow"))


def load(name: str, run: int = 0, begins: datetime | None = None) -> Flow:
    """Read a flow; ``run`` tells it apart from other runs of itself, by Call-ID and branch."""
    return parse(name, (FLOWS / f"{name}.flow").read_text(), run, begins)


def parse(name: str, text: str, run: int = 0, begins: datetime | None = None) -> Flow:
    """Read a flow from its text. Raises ValueError for a line that is none of the above."""
    flow = Flow(name)
    suffix = f"{name}-{run}" if run else name
    legs: dict[str, Leg] = {}
    writer: Writer | None = None
    for line, below in _items(text):
        word, _, rest = line.partition(" ")
        words = rest.split()
        matched = _MESSAGE.match(line)
        if line.startswith("#"):
            flow.title = flow.title or line[1:].strip()
        elif word == "begins":
            flow.begins = datetime.fromisoformat(words[0])
        elif word == "transport":
            flow.transport = words[0]
        elif word == "endpoint":
            flow.endpoints[words[0]] = _endpoint(words)
        elif found := _LEG.match(line):
            leg = _leg(found, flow, suffix)
            legs[leg.name] = leg
            flow.legs[leg.name] = leg.call_id
        elif matched:
            flow.begins = begins or flow.begins
            writer = writer or Writer(suffix, flow.transport, flow.endpoints)
            flow.messages.append(_message(matched, below, flow, legs, writer))
        elif word in ("call", "registration"):
            aor = words.pop(0) if word == "registration" else ""
            leg_name = words[0].strip("[]") if words else next(iter(legs))
            values = dict(re.split(r"\s+", entry, maxsplit=1) for entry in below)
            rows = flow.registrations if aor else flow.calls
            rows.append(Expected(leg_name, values, aor))
        elif word == "link":
            flow.links.append(Link(*words))
        elif line.endswith(":"):
            flow.sections[line[:-1]] = below
        else:
            message = f"{name}: what is {line!r}?"
            raise ValueError(message)
    return flow


def _items(text: str) -> list[tuple[str, list[str]]]:
    """Each line with the indented lines below it."""
    items: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith((" ", "\t")):
            items[-1][1].append(line.strip())
        elif line:
            items.append((line, []))
    return items


def _options(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def _endpoint(words: list[str]) -> Endpoint:
    name, address, *rest = words
    ip, _, port = address.rpartition(":")
    aor = rest.pop(0) if rest and "=" not in rest[0] else ""
    return Endpoint(name, ip.strip("[]"), int(port), aor, **_options(rest))


def _leg(found: re.Match[str], flow: Flow, suffix: str) -> Leg:
    name = found["name"] or ""
    options = found[4].split()
    caller, callee = flow.endpoints[found["caller"]], flow.endpoints[found["callee"]]
    call_id = f"{name.lower()}{'.' if name else ''}{suffix}@{caller.aor.partition('@')[2]}"
    leg = Leg(name, caller, callee, call_id)
    if "established" in options:
        leg.remote, leg.answered = callee, True
    return leg


def _message(
    matched: re.Match[str], below: list[str], flow: Flow, legs: dict[str, Leg], writer: Writer
) -> Message:
    options = _options((matched["options"] or "").split())
    leg = legs[options["leg"]] if "leg" in options else next(iter(legs.values()))
    src, dst = flow.endpoints[matched["src"]], flow.endpoints[matched["dst"]]
    start = matched["start"].strip()
    if start.startswith("repeat "):
        first = flow.message(start.split()[1])
        raw, leg = first.sip, legs[first.leg]
    elif start == "verbatim":
        raw = "\r\n".join(line.removeprefix("|") for line in below).encode() + b"\r\n"
        raw = raw.replace(b"{call_id}", leg.call_id.encode())
    else:
        body = ("", "")
        headers = []
        for line in below:
            word, _, rest = line.partition(" ")
            if word == "sdp":
                body = sdp(rest.split())
            elif word == "sipfrag":
                body = ("message/sipfrag;version=2.0", f"SIP/2.0 {rest}\r\n")
            else:
                headers.append(_fill(line, legs))
        parts = (matched["label"], src, dst, start, tuple(headers), body, options)
        raw = writer.write(Line(*parts), leg)
    begins = round(flow.begins.timestamp() * 1_000_000)
    return Message(
        matched["label"],
        begins + round(float(matched["at"]) * 1_000_000),
        *(src, dst, flow.transport, raw, leg.name),
        int(options.get("node", NODE)),
        _fill(options.get("correlation", ""), legs),
    )


def _fill(text: str, legs: dict[str, Leg]) -> str:
    """``{A}`` is the Call-ID of leg A, ``{A:alice}`` alice's tag in it."""
    for leg in legs.values():
        text = text.replace(f"{{{leg.name or 'call_id'}}}", leg.call_id)
        for who in {leg.caller, leg.callee, leg.remote or leg.callee}:
            text = text.replace(f"{{{leg.name}:{who.name}}}", leg.tag(who))
    return text
