# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing came back: from which address, how often it was asked, and which timer ended it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import CHALLENGES, Leg, Transaction
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import because, between, span, status_words, times, who

GIVE_UP_S: Final = 31.0
"""64*T1 = 32 s end a transaction (timers B, F, H); less what the last interval may lack."""
_T2_S: Final = 4.0
"""The longest interval of Timer E: the last retransmission is so long before Timer F at most."""
_STREAMS: Final = ("TCP", "TLS", "WS", "WSS", "SCTP")


def no_response(leg: Leg, _: Known) -> Iterator[Statement]:
    """An INVITE that got no response at all (timers A and B, RFC 3261 §17.1.1.2)."""
    for hop in unanswered(leg):
        first, last = hop.requests[0], hop.requests[-1]
        certainty = Certainty.CERTAIN
        text = f"{hop.dst} did not answer the INVITE: {_sent(hop)}, nothing came back"
        if hop.children:
            passed = hop.children[0].first
            text += f", although it went on from there to {passed.dst}"
            text += ": responses are lost, or were not captured."
            proofs = [*hop.requests, passed]
            yield state(Code.RESPONSE_LOST, text, proofs, Severity.PROBLEM, Certainty.LIKELY)
            continue
        if between(first, last) >= GIVE_UP_S or _gave_up_after(hop, last):
            text += ", until the sender gave up (Timer B, RFC 3261 §17.1.1.2)"
        elif len(hop.requests) == 1:
            certainty = Certainty.LIKELY if first.transport in _STREAMS else Certainty.UNKNOWN
            text += "; it was not repeated, so the capture may have missed what followed"
        yield state(Code.NO_RESPONSE, f"{text}.", hop.requests, Severity.PROBLEM, certainty)


def gave_up(leg: Leg, _: Known) -> Iterator[Statement]:
    """A 408, and what the element that made it had been waiting for."""
    final = leg.last.final if leg.last and not leg.answer else None
    if not final or final.status != 408:
        return
    source = leg.origin(final)
    hop = leg.hop_of(source)
    text = f"{who(leg, source.src, source)} gave up with {status_words(source)}"
    proofs = [source, final]
    certainty = Certainty.CERTAIN
    open_ = [h for h in hop.children if not h.final_before(source)] if hop else []
    rang = [h for h in open_ if h.provisional]
    silent = [h for h in open_ if h.requests and not h.responses]
    if rang:
        proofs += [rang[0].first, rang[0].provisional[0]]
        waited = span(between(rang[0].first, source))
        text += f" of its own: {rang[0].dst} rang, and no final response came within {waited}"
        text += " (Timer C, RFC 3261 §16.8, or its own limit for ringing)"
    elif silent:
        proofs += silent[0].requests
        text += (
            f" of its own: {silent[0].dst} had not answered at all (Timer B, RFC 3261 §17.1.1.2)"
        )
    else:
        certainty = Certainty.UNKNOWN
        text += "; what it waited for was not captured"
    yield state(Code.GAVE_UP, f"{text}{because(source)}.", proofs, Severity.PROBLEM, certainty)


def no_final(leg: Leg, known: Known) -> Iterator[Statement]:
    """Provisional responses, then nothing."""
    attempt = leg.last
    if not attempt or attempt.final or leg.answer or attempt.entry.cancel:
        return
    heard = [m for hop in attempt.entries for m in hop.responses]
    if heard:
        last = max(heard, key=lambda m: m.order)
        text = f"After {last.status} from {last.src} no final response was captured"
        text += ", until the call was given up." if known.given_up else "."
        severity = Severity.NOTICE if known.given_up else Severity.INFO
        yield state(Code.NO_FINAL, text, [last], severity, Certainty.UNKNOWN)


def bye_unanswered(leg: Leg, _: Known) -> Iterator[Statement]:
    """A BYE without a response (timers E and F, RFC 3261 §17.1.2)."""
    for hop in leg.of("BYE"):
        if not hop.requests or hop.finals:
            continue
        text = f"Nobody answered the BYE to {hop.dst}: {_sent(hop)}"
        lasted = between(hop.requests[0], hop.requests[-1])
        severity, certainty = Severity.PROBLEM, Certainty.CERTAIN
        if lasted >= GIVE_UP_S - _T2_S:
            text += ", until the sender gave up (Timer F, RFC 3261 §17.1.2.2)."
        elif lasted >= _T2_S:
            text += ", nothing came back."
        else:
            severity, certainty = Severity.NOTICE, Certainty.UNKNOWN
            text += "; what followed may be missing here."
        yield state(Code.BYE_UNANSWERED, text, hop.requests, severity, certainty)


def bye_refused(leg: Leg, _: Known) -> Iterator[Statement]:
    """A BYE for a call that the other side does not know (any more), or cannot end."""
    for hop in leg.of("BYE"):
        refusal = hop.refusal
        if refusal and refusal.status not in CHALLENGES and hop.requests:
            source = leg.origin(refusal)
            text = f"{source.src} refused the BYE: {status_words(source)}{because(source)}."
            yield state(Code.BYE_REFUSED, text, [source, hop.requests[0]], Severity.NOTICE)


def cancel_unanswered(leg: Leg, _: Known) -> Iterator[Statement]:
    """A CANCEL without a response."""
    for hop in leg.transactions:
        if hop.method == "CANCEL" and hop.requests and not hop.responses:
            text = f"Nobody answered the CANCEL to {hop.dst}: {_sent(hop)}, nothing came back."
            certainty = Certainty.CERTAIN if len(hop.requests) > 1 else Certainty.UNKNOWN
            yield state(Code.CANCEL_UNANSWERED, text, hop.requests, Severity.NOTICE, certainty)


def unanswered(leg: Leg) -> list[Transaction]:
    """Initial INVITEs over one hop without any response."""
    return [hop for hop in leg.initial if hop.requests and not hop.responses]


def _gave_up_after(hop: Transaction, last: Message) -> bool:
    """Whether what the sender did next shows that it had stopped waiting."""
    if not hop.parent or not hop.parent.refusal or len(hop.requests) < 2:
        return False
    return hop.parent.refusal.status == 408 and hop.parent.refusal.order > last.order


def _sent(hop: Transaction) -> str:
    """How often, and over what time."""
    count = len(hop.requests)
    if count == 1:
        return "sent once"
    lasted = span(between(hop.requests[0], hop.requests[-1]))
    timer = "A" if hop.method == "INVITE" else "E"
    return f"sent {times(count)} in {lasted} (Timer {timer})"


RULES = (no_response, gave_up, no_final, bye_unanswered, bye_refused, cancel_unanswered)
