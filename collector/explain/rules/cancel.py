# SPDX-License-Identifier: GPL-2.0-or-later
"""CANCEL: by the caller, by a proxy, and crossing the answer (RFC 3261 §9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg, Transaction
from collector.explain.message import Message
from collector.explain.rules.story import first_ringing
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import because, between, causes, name, span, status_words

_AT_ONCE_S: Final = 0.1
"""What a proxy passes on may be captured before what it has received."""


def cancel_of(leg: Leg) -> Message | None:
    """The caller's first CANCEL of the last attempt."""
    hops = leg.last.entries if leg.last else []
    sent = [m for hop in hops if hop.cancel for m in hop.cancel.requests]
    return min(sent, key=lambda m: m.order, default=None)


def cancelled(leg: Leg, _: Known) -> Iterator[Statement]:
    """The caller hung up before the answer."""
    cancel = cancel_of(leg)
    if cancel and not leg.answer and leg.last:
        ringing = first_ringing(leg)
        text = f"{name(leg.caller)} cancelled the call"
        proofs = [cancel]
        if ringing and ringing.order < cancel.order:
            text += f" after {span(between(ringing, cancel))} of ringing"
            proofs.append(ringing)
        elif leg.last.request.is_request:
            text += f" {span(between(leg.last.request, cancel))} after the INVITE"
            proofs.append(leg.last.request)
        final = leg.last.final
        if final and final.status == 487:
            proofs.append(final)
        yield state(Code.CANCELLED, f"{text}{because(cancel)}.", proofs)


def cancel_race(leg: Leg, _: Known) -> Iterator[Statement]:
    """CANCEL and 2xx crossed: the call is up, and the caller has to end it with BYE."""
    cancel = cancel_of(leg)
    if cancel and leg.answer:
        order = "before" if cancel.order < leg.answer.order else "after"
        text = f"The CANCEL crossed the answer: it was sent {order} the 2xx was captured, "
        text += "so the call was up for a moment."
        yield state(Code.CANCEL_RACE, text, [cancel, leg.answer], Severity.NOTICE)


def branch_cancelled(leg: Leg, _: Known) -> Iterator[Statement]:
    """A proxy cancelled one of its branches by itself."""
    for hop in leg.initial:
        cancel = next(iter(hop.cancel.requests), None) if hop.cancel else None
        if not cancel or not hop.parent or _asked_to(hop.parent, cancel):
            continue
        proofs = [cancel]
        text = f"{cancel.src} cancelled the call to {cancel.dst}"
        winner = _decided(hop, cancel)
        if winner:
            proofs.append(winner)
            text += f", because {winner.src} had answered"
            text += f" {status_words(winner)}" if winner.status >= 300 else ""
        elif any(cause.protocol == "SIP" and cause.code == 200 for cause in causes(cancel)):
            text += ", because another phone had answered"
        certainty = Certainty.CERTAIN if winner or causes(cancel) else Certainty.LIKELY
        code = Code.FORK_CANCELLED if winner or _elsewhere(cancel) else Code.PROXY_CANCELLED
        severity = Severity.INFO if code is Code.FORK_CANCELLED else Severity.NOTICE
        text += " by itself" * (code is Code.PROXY_CANCELLED)
        yield state(code, f"{text}{because(cancel)}.", proofs, severity, certainty)


def cancelled_from_outside(leg: Leg, _: Known) -> Iterator[Statement]:
    """A CANCEL whose Reason says that another phone took the call: the fork was not captured."""
    cancel = cancel_of(leg)
    if cancel and not leg.answer and _elsewhere(cancel):
        text = f"The CANCEL from {cancel.src} says that another phone answered{because(cancel)}."
        yield state(Code.ANSWERED_ELSEWHERE, text, [cancel])


def cancel_refused(leg: Leg, _: Known) -> Iterator[Statement]:
    """A CANCEL that found nothing to cancel."""
    for hop in leg.transactions:
        refusal = hop.refusal if hop.method == "CANCEL" else None
        if refusal and hop.requests:
            text = f"{refusal.src} refused the CANCEL: {status_words(refusal)}{because(refusal)}."
            yield state(Code.CANCEL_REFUSED, text, [refusal, hop.requests[0]], Severity.PROBLEM)


def _elsewhere(cancel: Message) -> bool:
    """``Reason: SIP;cause=200;text="Call completed elsewhere"`` (RFC 3326 §3.1)."""
    return any(cause.protocol == "SIP" and cause.code == 200 for cause in causes(cancel))


def _asked_to(parent: Transaction, cancel: Message) -> bool:
    """Whether the CANCEL only passes on one that had come before."""
    before = parent.cancel.requests if parent.cancel else []
    return any(between(cancel, message) < _AT_ONCE_S for message in before)


def _decided(hop: Transaction, cancel: Message) -> Message | None:
    """What ended the search before the CANCEL: a 2xx or 6xx of another branch (§16.7)."""
    siblings = hop.parent.children if hop.parent else []
    finals = (h.final_before(cancel) for h in siblings if h is not hop)
    return next((m for m in finals if m and (m.status < 300 or m.status >= 600)), None)


RULES = (cancelled, cancel_race, branch_cancelled, cancelled_from_outside, cancel_refused)
