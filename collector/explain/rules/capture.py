# SPDX-License-Identifier: GPL-2.0-or-later
"""How far the capture itself can be trusted: parts missing, copies, clocks, damaged messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import between, plural, quote, span
from collector.sip import Fault

_FAULTS: Final = {
    Fault.START_LINE: "its first line is neither a request nor a response",
    Fault.CALL_ID: "it has no Call-ID",
    Fault.CSEQ: "its CSeq cannot be read",
    Fault.TRUNCATED: "its end is missing",
    Fault.TEXT: "it has bytes that are no text",
    Fault.FIELD_LENGTH: "a header is too long for its column",
}
_OF_CALLS: Final = frozenset(("INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE"))
"""Methods that only a call has; REFER, INFO and NOTIFY stand for themselves, too."""
_TOLERANCE_S: Final = 0.01
"""A busy proxy reports what it has received after what it sent because of it."""


def no_beginning(leg: Leg, _: Known) -> Iterator[Statement]:
    """The first INVITE is not among the messages."""
    if _is_call(leg) and not any(hop.requests for hop in leg.initial):
        first = leg.messages[0]
        text = "The beginning of the call was not captured: no INVITE that would begin it."
        yield state(Code.NO_BEGINNING, text, [first], Severity.NOTICE)


def malformed(leg: Leg, _: Known) -> Iterator[Statement]:
    """Messages that were marked when they were stored."""
    by_fault: dict[str, list[Message]] = {}
    for message in leg.messages:
        if message.fault:
            by_fault.setdefault(message.fault, []).append(message)
    for fault, found in by_fault.items():
        words = _FAULTS.get(Fault(fault)) if fault in set(Fault) else None
        text = f"{plural(len(found), 'message')} from {found[0].src} "
        text += f"{'is' if len(found) == 1 else 'are'} malformed: {words or quote(fault)}."
        yield state(Code.MALFORMED, text, found, Severity.PROBLEM)


def copies(leg: Leg, _: Known) -> Iterator[Statement]:
    """The same message from several capture points, or twice from one."""
    twice = [message for message in leg.messages if message.copies]
    if twice:
        rows = [*twice, *(copy for message in twice for copy in message.copies)]
        nodes = sorted({row.node for row in rows if row.node})
        count = len(rows) - len(twice)
        text = f"{plural(count, 'message')} of these {'is a copy' if count == 1 else 'are copies'}"
        text += " captured elsewhere or again"
        text += f" (nodes {quote(', '.join(nodes), marks=False)})" if nodes else ""
        yield state(Code.COPIES, f"{text}; they are not counted as retransmissions.", rows)


def clocks(leg: Leg, _: Known) -> Iterator[Statement]:
    """A response before its request: the capture nodes' clocks differ."""
    worst: tuple[float, Message, Message] | None = None
    for hop in leg.transactions:
        if hop.requests and hop.responses:
            early = between(hop.responses[0], hop.requests[0])
            if early > _TOLERANCE_S and (worst is None or early > worst[0]):
                worst = (early, hop.requests[0], hop.responses[0])
        before = hop.parent
        if before and before.requests and hop.requests:
            early = between(hop.requests[0], before.requests[0])
            if early > _TOLERANCE_S and (worst is None or early > worst[0]):
                worst = (early, before.requests[0], hop.requests[0])
    if worst:
        early, cause, effect = worst
        nodes = sorted({quote(m.node) for m in (cause, effect) if m.node})
        text = f"{_what(effect)} was captured {span(early)} before {_what(cause)} that it follows "
        text += f"from: the clocks of the capture nodes differ (nodes {' and '.join(nodes)})."
        if len(nodes) < 2:
            text = f"{_what(effect)} was captured {span(early)} before {_what(cause)} that it "
            text += "follows from: times in this call cannot be relied on."
        yield state(Code.CLOCKS, text, [effect, cause], Severity.NOTICE, Certainty.LIKELY)


def incomplete(leg: Leg, known: Known) -> Iterator[Statement]:
    """There is more in the database than a call is allowed to show."""
    if leg.messages and not known.complete:
        text = "There are more messages than were looked at: what seems to be missing may be among "
        text += "those after the last one here."
        proofs = leg.messages[-1:]
        yield state(Code.INCOMPLETE, text, proofs, Severity.NOTICE, Certainty.UNKNOWN)


def not_a_call(leg: Leg, _: Known) -> Iterator[Statement]:
    """Messages of another sort, to say so instead of nothing."""
    methods = sorted({message.method for message in leg.messages if message.method})
    if leg.messages and not _is_call(leg):
        names = quote(", ".join(methods[:10]), marks=False) or "nothing that can be read"
        text = f"This is no call; captured were only messages of the sort {names}."
        yield state(Code.NOT_A_CALL, text, leg.messages, Severity.NOTICE)


def _is_call(leg: Leg) -> bool:
    return any(message.method in _OF_CALLS for message in leg.messages)


def _what(message: Message) -> str:
    return str(message.status) if message.status else quote(message.method, marks=False)


RULES = (no_beginning, malformed, copies, clocks, incomplete, not_a_call)
