# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, codes and header values in words."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final, NamedTuple

from collector.explain.leg import Leg
from collector.explain.message import Endpoint, Message
from collector.sip_address import split_address

MAX_QUOTED: Final = 80
"""Characters of somebody else's text in a sentence."""

Q850: Final = {
    1: "unallocated number",
    2: "no route to the transit network",
    3: "no route to the destination",
    6: "channel unacceptable",
    16: "normal clearing",
    17: "user busy",
    18: "no user responding",
    19: "no answer from the user",
    20: "subscriber absent",
    21: "call rejected",
    22: "number changed",
    26: "cleared because another was selected",
    27: "destination out of order",
    28: "invalid number format",
    29: "facility rejected",
    31: "normal, unspecified",
    34: "no circuit available",
    38: "network out of order",
    41: "temporary failure",
    42: "switching equipment congestion",
    43: "access information discarded",
    44: "requested circuit not available",
    47: "resource unavailable",
    50: "facility not subscribed",
    55: "incoming calls barred",
    57: "bearer capability not authorized",
    58: "bearer capability not available",
    63: "service not available",
    65: "bearer capability not implemented",
    69: "facility not implemented",
    79: "service not implemented",
    81: "invalid call reference",
    87: "user not in the closed group",
    88: "incompatible destination",
    95: "invalid message",
    96: "mandatory element missing",
    97: "message type not implemented",
    98: "message not compatible with the call state",
    99: "information element not implemented",
    100: "invalid element contents",
    101: "message not compatible with the call state",
    102: "a timer expired",
    111: "protocol error",
    127: "interworking, unspecified",
}
"""Cause values of ITU-T Q.850, as in ``Reason: Q.850;cause=…`` (RFC 3326)."""

_CAUSE: Final = re.compile(r";\s*cause\s*=\s*(\d{1,3})\b", re.IGNORECASE)
_TEXT: Final = re.compile(
    r';\s*text\s*=\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^;,\s]*))', re.IGNORECASE
)
_WARNING: Final = re.compile(r'\s*(\d{3})\s+\S+\s+"([^"\\]*+(?:\\.[^"\\]*+)*+)"')


class Cause(NamedTuple):
    """A value of the Reason header (RFC 3326)."""

    protocol: str
    code: int
    """-1 when there is none."""
    text: str


def causes(message: Message) -> list[Cause]:
    """Those of a message's Reason headers."""
    found = []
    for value in message.headers("reason"):
        protocol = value.partition(";")[0].strip().upper()
        code, text = _CAUSE.search(value), _TEXT.search(value)
        words = (text[1] or text[2] or "") if text else ""
        found.append(Cause(protocol, int(code[1]) if code else -1, words))
    return found


def cause_words(message: Message) -> str:
    """The Reason headers as text: ``Q.850 cause 16, normal clearing``; empty without any."""
    return "; ".join(_cause(cause) for cause in causes(message)[:3])


def _cause(cause: Cause) -> str:
    protocol = quote(cause.protocol, marks=False)
    words = [f"{protocol} cause {cause.code}" if cause.code >= 0 else protocol]
    known = Q850.get(cause.code) if cause.protocol == "Q.850" else None
    if known:
        words.append(known)
    if cause.text and cause.text.lower() != known:
        words.append(quote(cause.text))
    return ", ".join(words)


def warning_words(message: Message) -> str:
    """The Warning headers (RFC 3261 §20.43) as text; empty without any."""
    found = []
    for value in message.headers("warning")[:3]:
        match = _WARNING.match(value)
        found.append(f"{match[1]} {quote(match[2])}" if match else quote(value))
    return "; ".join(found)


def because(message: Message) -> str:
    """What a response or request says about its reason, to be put behind a sentence."""
    words = [("Reason", cause_words(message)), ("Warning", warning_words(message))]
    return "".join(f"; {name}: {text}" for name, text in words if text)


def quote(text: str, *, marks: bool = True) -> str:
    """Text out of a packet, cut to a bearable length and without control characters."""
    clean = "".join(c if c.isprintable() else " " for c in text[: MAX_QUOTED + 1])
    short = clean if len(clean) <= MAX_QUOTED else clean[: MAX_QUOTED - 1] + "…"
    return f'"{short}"' if marks else short


def status_words(message: Message) -> str:
    """Status and reason phrase: ``486 Busy Here``."""
    if message.reason:
        return f"{message.status} {quote(message.reason, marks=False)}"
    try:
        return f"{message.status} {HTTPStatus(message.status).phrase}"
    except ValueError:
        return str(message.status)


def target_of(redirection: Message) -> str:
    """Where a 3xx says that the callee is."""
    uri = uri_of(redirection.header("contact"))
    return uri or "an address that it does not name"


def uri_of(value: str) -> str:
    """The URI of a header value, for a sentence; empty when there is none."""
    uri, _ = split_address(value.encode("utf-8", "replace"))
    return quote(uri.decode("utf-8", "replace").partition("?")[0], marks=False)


def who(leg: Leg, endpoint: Endpoint, message: Message | None = None) -> str:
    """An address, with the name of the party behind it and the User-Agent if they are known."""
    agent = f", {quote(message.agent, marks=False)}" if message and message.agent else ""
    attempt = leg.last
    if attempt and endpoint == attempt.entry.src and attempt.request.is_request:
        return f"{name(leg.caller)} ({endpoint}{agent})"
    if endpoint == leg.callee_end:
        return f"{name(leg.callee)} ({endpoint}{agent})"
    return f"{endpoint} ({agent[2:]})" if agent else str(endpoint)


def name(text: str) -> str:
    """A user's name or number for a sentence."""
    return quote(text, marks=False)


def side(leg: Leg, request: Message) -> str:
    """The party of the dialog that a request comes from, else its address."""
    if leg.last and request.from_tag == leg.caller_tag:
        return name(leg.caller)
    if leg.last and request.to_tag == leg.caller_tag:
        return name(leg.callee)
    return str(request.src)


def span(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 0:
        return f"minus {span(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def between(earlier: Message, later: Message) -> float:
    """Seconds from one message to another."""
    return (later.ts - earlier.ts).total_seconds()


def times(count: int) -> str:
    """How often."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def plural(count: int, noun: str) -> str:
    """A number and its noun."""
    return f"{count} {noun}" + "s" * (count != 1)
