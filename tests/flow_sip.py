# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes out the SIP messages of a flow: what RFC 3261 makes of "alice -> bob INVITE".

Via, tags, CSeq, Contact and request-URI follow from what was said before: a response copies its
request's Via, a proxy puts one on top, CANCEL and the ACK of a refusal have the INVITE's branch,
within a dialog the tags stand and the other side's Contact is called.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

PAYLOAD_TYPES: Final = {"PCMU": 0, "GSM": 3, "PCMA": 8, "G722": 9, "G729": 18, "opus": 111}
CLOCKS: Final = {"opus": "48000/2"}
EVENTS: Final = "telephone-event"
DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_WITH_CONTACT: Final = ("INVITE", "REGISTER", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY")


@dataclass(frozen=True)
class Endpoint:
    """A user agent, or a proxy or other server when it has no ``aor``."""

    name: str
    ip: str
    port: int
    aor: str = ""
    agent: str = ""

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes."""
        return ipaddress.ip_address(self.ip).packed

    @property
    def address(self) -> str:
        """Host and port as in a URI."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @property
    def contact(self) -> str:
        """Where requests within a dialog go."""
        user = self.aor.partition("@")[0]
        return f"sip:{user}@{self.address}" if user else f"sip:{self.address}"


@dataclass
class Leg:
    """A Call-ID, its two parties, and what is known of the dialog at a moment."""

    name: str
    caller: Endpoint
    callee: Endpoint
    call_id: str
    remote: Endpoint | None = None
    """Who answered, or the first who rang."""
    answered: bool = False
    numbers: dict[str, int] = field(default_factory=dict)
    """Last CSeq number by the name of the endpoint."""

    def tag(self, who: Endpoint) -> str:
        """The tag that a party gives to the dialogs of this leg."""
        return f"{who.name}-{self.call_id.partition('@')[0]}"


class Line(NamedTuple):
    """A message as the flow has it."""

    label: str
    src: Endpoint
    dst: Endpoint
    start: str
    """``INVITE``, ``INVITE sip:bob@192.0.2.4``, ``180 Ringing``, ``200 OK (CANCEL)``."""
    headers: tuple[str, ...]
    body: tuple[str, str]
    """Content-Type and text."""
    options: dict[str, str]


class Request(NamedTuple):
    """A request that was written."""

    method: str
    number: int
    src: Endpoint
    dst: Endpoint
    origin: Endpoint
    vias: tuple[str, ...]
    ruri: str
    from_: str
    to: str
    leg: Leg


class Response(NamedTuple):
    """A response that was written."""

    status: int
    request: Request
    origin: Endpoint
    to: str


class Writer:
    """Writes the messages of one flow in order."""

    def __init__(self, run: str, transport: str, endpoints: dict[str, Endpoint]) -> None:
        """``run`` goes into every branch, so that the same flow can be told apart from itself."""
        self._run = run
        self._transport = transport
        self._endpoints = endpoints
        self._requests: list[Request] = []
        self._responses: list[Response] = []

    def write(self, line: Line, leg: Leg) -> bytes:
        """The message, complete."""
        first = line.start.partition(" ")[0]
        if first.isdigit():
            return self._write_response(line, leg)
        return self._write_request(line, leg)

    def _write_request(self, line: Line, leg: Leg) -> bytes:
        method, _, ruri = line.start.partition(" ")
        request = self._request(line, leg, method, ruri)
        self._requests.append(request)
        contact = line.options.get("contact") or (
            request.origin.contact if method in _WITH_CONTACT else ""
        )
        return _text(
            f"{method} {request.ruri} SIP/2.0",
            request,
            request.to,
            [
                f"Max-Forwards: {71 - len(request.vias)}",
                *([f"Contact: <{contact}>"] if contact else []),
                *([f"User-Agent: {request.origin.agent}"] if request.origin.agent else []),
            ],
            line,
        )

    def _request(self, line: Line, leg: Leg, method: str, ruri: str) -> Request:
        if method in ("CANCEL", "ACK"):
            refused = self._of_a_transaction(line, leg, method)
            if refused:
                return refused
        via = f"SIP/2.0/{self._transport} {line.src.address};branch={self._branch(line)}"
        if not line.src.aor:
            forwarded = next(
                (
                    request
                    for request in reversed(self._requests)
                    if request.leg is leg and request.method == method and request.dst is line.src
                ),
                None,
            )
            if forwarded:
                return forwarded._replace(
                    src=line.src,
                    dst=line.dst,
                    vias=(via, *forwarded.vias),
                    ruri=ruri or forwarded.ruri,
                )
        origin = self._endpoints[line.options["by"]] if "by" in line.options else line.src
        return self._new(line, leg, method, origin, ruri)._replace(vias=(via,))

    def _of_a_transaction(self, line: Line, leg: Leg, method: str) -> Request | None:
        """CANCEL (RFC 3261 §9.1) and the ACK of a refusal (§17.1.1.3) belong to the INVITE."""
        for request in reversed(self._requests):
            if (request.leg, request.src, request.dst) == (leg, line.src, line.dst) and (
                request.method == "INVITE"
            ):
                break
        else:
            return None
        to = request.to
        if method == "ACK":
            finals = [
                response
                for response in self._responses
                if response.request is request and response.status >= 200
            ]
            if not finals or finals[-1].status < 300:
                return None
            to = finals[-1].to
        return request._replace(method=method, vias=request.vias[:1], to=to)

    def _new(self, line: Line, leg: Leg, method: str, origin: Endpoint, ruri: str) -> Request:
        """A request that its own user agent sends."""
        other = leg.remote or leg.callee
        if "to" in line.options:
            other = self._endpoints[line.options["to"]]
        within = leg.answered if method in ("INVITE", "ACK") else leg.remote is not None
        from_, to = f"<sip:{leg.caller.aor}>", f"<sip:{leg.callee.aor}>"
        own, others = leg.tag(leg.caller), leg.tag(other) if within else ""
        target = other.contact if within else f"sip:{leg.callee.aor}"
        if origin is not leg.caller:
            from_, to, own, others = to, from_, leg.tag(origin), own
            target = leg.caller.contact
        if method == "REGISTER":
            to, target = from_, f"sip:{leg.caller.aor.partition('@')[2]}"
        numbers = leg.numbers
        if "cseq" in line.options:
            numbers[origin.name] = int(line.options["cseq"])
        elif method != "ACK":
            numbers[origin.name] = numbers.get(origin.name, 0) + 1
        number = numbers.setdefault(origin.name, 1)
        if method == "ACK":  # that of the INVITE, whatever came between (RFC 3261 §13.2.2.4)
            invites = [r for r in self._requests if r.leg is leg and r.method == "INVITE"]
            answered = [r for r in invites if r.origin is origin]
            number = answered[-1].number if answered and "cseq" not in line.options else number
        return Request(
            *(method, number, line.src, line.dst, origin, (), ruri or target),
            f"{from_};tag={own}",
            f"{to};tag={others}" if others else to,
            leg,
        )

    def _write_response(self, line: Line, leg: Leg) -> bytes:
        start, _, method = line.start.partition(" (")
        status = int(start[:3])
        request = next(
            request
            for request in reversed(self._requests)
            if (request.leg, request.src, request.dst) == (leg, line.dst, line.src)
            and (request.method == method.rstrip(")") if method else request.method != "ACK")
        )
        origin, to = line.src, request.to
        if not line.src.aor:
            forwarded = next(
                (
                    response
                    for response in reversed(self._responses)
                    if response.status == status
                    and response.request.dst is not line.src
                    and response.request.src is line.src
                    and response.request.number == request.number
                    and response.request.method == request.method
                    and response.request.leg is leg
                ),
                None,
            )
            origin = forwarded.origin if forwarded else origin
        if status > 100 and ";tag=" not in to:
            to = f"{to};tag={leg.tag(origin)}"
        self._responses.append(Response(status, request, origin, to))
        if request.method == "INVITE" and request.origin is leg.caller and 100 < status < 300:
            if not leg.answered:
                leg.remote = origin if status >= 200 else leg.remote or origin
            leg.answered = leg.answered or status >= 200
        has_contact = request.method in _WITH_CONTACT[:3] and 100 < status < 300 and origin.aor
        return _text(
            f"SIP/2.0 {start}",
            request,
            to,
            [
                *([f"Contact: <{origin.contact}>"] if has_contact else []),
                *([f"Server: {origin.agent}"] if origin.agent else []),
            ],
            line,
        )

    def _branch(self, line: Line) -> str:
        return f"z9hG4bK-{line.label}-{self._run}"


def _text(start: str, request: Request, to: str, more: list[str], line: Line) -> bytes:
    """The message; a header that the flow writes out takes the place of ours."""
    kind, body = line.body
    ours = [
        *(f"Via: {via}" for via in request.vias),
        f"From: {request.from_}",
        f"To: {to}",
        f"Call-ID: {request.leg.call_id}",
        f"CSeq: {request.number} {request.method}",
        *more,
    ]
    written = {header.partition(":")[0].lower() for header in line.headers}
    headers = [header for header in ours if header.partition(":")[0].lower() not in written]
    headers += line.headers
    if body:
        headers.append(f"Content-Type: {kind}")
    headers.append(f"Content-Length: {len(body.encode())}")
    return "\r\n".join((start, *headers, "", body)).encode()


def sdp(words: list[str]) -> tuple[str, str]:
    """A session of one audio stream from ``192.0.2.4:49170 PCMU PCMA sendonly`` (RFC 4566)."""
    address, *rest = words
    ip, _, port = address.rpartition(":")
    ip = ip.strip("[]")
    family = "IP6" if ":" in ip else "IP4"
    codecs = [word for word in rest if word not in DIRECTIONS]
    types = {codec: PAYLOAD_TYPES.get(codec, 101) for codec in codecs}
    lines = [
        "v=0",
        f"o=- 2890844526 2890844526 IN {family} {ip}",
        "s=-",
        f"c=IN {family} {ip}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(map(str, types.values()))}",
        *(
            f"a=rtpmap:{number} {codec}/{CLOCKS.get(codec, '8000')}"
            for codec, number in types.items()
        ),
        *(f"a={word}" for word in rest if word in DIRECTIONS),
    ]
    return "application/sdp", "\r\n".join(lines) + "\r\n"
