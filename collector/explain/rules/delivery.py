# SPDX-License-Identifier: GPL-2.0-or-later
"""What got lost on the way: retransmissions per hop, and ACKs that do not arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.address import is_private, is_public
from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import Endpoint, Message
from collector.explain.rules.silence import GIVE_UP_S
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import between, plural, quote, span, status_words, times, who

_ONCE_IS_LUCK: Final = 2
"""Sendings of an answer from which on a missing ACK is more than one lost packet."""

_ENDS: Final = 2


def ack_missing(leg: Leg, _: Known) -> Iterator[Statement]:
    """A 2xx without ACK is repeated for 64*T1, then the callee gives up (§13.3.1.4)."""
    if not leg.answer or _acks(leg, leg.answer):
        return
    hop = leg.hop_of(leg.origin(leg.answer))
    sent = [m for m in hop.finals if m.status < 300] if hop else [leg.answer]
    if len(sent) < _ONCE_IS_LUCK:
        text = "No ACK to the answer was captured; the answer was not repeated, so it may exist."
        yield state(Code.NO_ACK, text, sent, Severity.NOTICE, Certainty.UNKNOWN)
        return
    text = f"Nobody acknowledged the answer: {_repeated(sent)}, and no ACK was captured"
    text += _until(sent, "RFC 3261 §13.3.1.4")
    yield state(Code.ACK_MISSING, f"{text}.", sent, Severity.PROBLEM)


def ack_lost(leg: Leg, _: Known) -> Iterator[Statement]:
    """The caller acknowledges, and the callee repeats its answer all the same."""
    acks = _acks(leg, leg.answer) if leg.answer else []
    source = leg.origin(leg.answer) if leg.answer else None
    hop = leg.hop_of(source) if source else None
    if not acks or not hop or not source:
        return
    late = [m for m in hop.finals if m.status < 300 and m.order > acks[0].order]
    if len(late) >= _ONCE_IS_LUCK:
        reached = max(acks, key=lambda m: len(m.branches))
        text = f"{who(leg, source.src)} repeated the answer {times(len(late))} after the ACK"
        text += _until(late, "RFC 3261 §13.3.1.4")
        text += f": the ACK does not arrive; it was last seen on its way to {reached.dst}"
        if is_private(reached.dst.ip) and is_public(source.src.ip):
            text += ", a private address, so the Contact of the answer is behind NAT"
        yield state(
            *(Code.ACK_LOST, f"{text}.", [*late, reached], Severity.PROBLEM, Certainty.LIKELY)
        )


def refusal_unacknowledged(leg: Leg, _: Known) -> Iterator[Statement]:
    """A refusal that is repeated for want of an ACK (timers G and H, §17.2.1)."""
    for hop in leg.transactions:
        sent = [m for m in hop.finals if m.status >= 300] if hop.method == "INVITE" else []
        if len(sent) >= _ONCE_IS_LUCK and not hop.acks:
            text = f"{hop.src} did not acknowledge the {sent[0].status} of {hop.dst}: "
            text += _repeated(sent) + _until(sent, "Timer H, RFC 3261 §17.2.1")
            yield state(Code.ACK_MISSING, f"{text}.", sent, Severity.PROBLEM)


def retransmitted(leg: Leg, _: Known) -> Iterator[Statement]:
    """Requests that were sent again although, or because, something got lost."""
    for hop in leg.transactions:
        again = hop.requests[1:]
        if again and hop.responses:
            answer = hop.responses[0]
            text = f"{hop.method} from {hop.src} to {hop.dst} was sent {times(len(hop.requests))}"
            late = [m for m in again if m.order > answer.order]
            proofs = list(hop.requests)
            if late:
                proofs.append(answer)
                text += f", {times(len(late))} of it after {answer.status} had been captured:"
                text += " responses get lost on the way back"
            else:
                text += f" before the first response came after {span(between(proofs[0], answer))}"
            yield state(Code.RETRANSMITTED, f"{text}.", proofs, Severity.NOTICE)


def repeated_response(leg: Leg, _: Known) -> Iterator[Statement]:
    """A final response that came again, although its ACK was captured in the end."""
    for hop in leg.initial:
        sent = [m for m in hop.finals if hop.final and m.status == hop.final.status]
        acks = hop.acks or [ack for ack in leg.acks if ack.cseq == hop.cseq]
        lost = [m for m in sent if acks and m.order > acks[0].order]
        if len(sent) > 1 and acks and len(lost) < _ONCE_IS_LUCK:
            text = f"{hop.dst} sent {status_words(sent[0])} to {hop.src} {times(len(sent))}: "
            text += "it, or the ACK to it, got lost."
            yield state(Code.RETRANSMITTED, text, sent, Severity.NOTICE)


def lost_between(leg: Leg, _: Known) -> Iterator[Statement]:
    """Of a hop with a capture point at each end: what only one of them has seen."""
    hops: dict[frozenset[Endpoint], list[Message]] = {}
    for message in leg.messages:
        hops.setdefault(frozenset((message.src, message.dst)), []).append(message)
    for sent in hops.values():
        seen = {m.id: {m.node, *(copy.node for copy in m.copies)} for m in sent}
        alone = [m for m in sent if len(seen[m.id]) == 1]
        both = len(sent) - len(alone)
        if alone and both > len(alone) and len(set().union(*seen.values())) == _ENDS:
            nodes = quote(" and ".join(sorted({m.node for m in alone})), marks=False)
            text = f"{plural(len(alone), 'message')} between {sent[0].src} and {sent[0].dst} "
            text += f"{'was' if len(alone) == 1 else 'were'} seen by node {nodes} only: lost on "
            text += "the way, or by the capture."
            yield state(Code.LOST_BETWEEN, text, alone, Severity.NOTICE, Certainty.LIKELY)


def _acks(leg: Leg, answer: Message) -> list[Message]:
    """ACKs of the dialog that the answer began, in order."""
    return [
        ack
        for ack in leg.acks
        if ack.cseq == answer.cseq and ack.to_tag == answer.to_tag and ack.is_request
    ]


def _repeated(sent: list[Message]) -> str:
    lasted = span(between(sent[0], sent[-1]))
    return f"{sent[0].status} was sent {times(len(sent))} in {lasted}"


def _until(sent: list[Message], source: str) -> str:
    if between(sent[0], sent[-1]) < GIVE_UP_S - 4:
        return ""
    return f", until the sender gave up after 64*T1 = 32 s ({source})"


RULES = (
    ack_missing,
    ack_lost,
    refusal_unacknowledged,
    retransmitted,
    repeated_response,
    lost_between,
)
