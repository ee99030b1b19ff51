# SPDX-License-Identifier: GPL-2.0-or-later
"""Extensions of SIP: reliable provisional responses (RFC 3262), Require, DTMF by INFO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import Message
from collector.explain.statement import Severity, Statement, state
from collector.explain.words import plural, quote, side, span, times

_DTMF: Final = (
    "application/dtmf",
    "application/dtmf-relay",
    "application/vnd.nortelnetworks.digits",
)


def reliable(leg: Leg, _: Known) -> Iterator[Statement]:
    """PRACK: the callee made sure that its provisional responses arrive."""
    pracks = [m for hop in leg.of("PRACK") for m in hop.requests[:1]]
    if pracks:
        text = "Provisional responses were sent reliably (100rel) and acknowledged with PRACK."
        yield state(Code.RELIABLE, text, pracks)


def prack_missing(leg: Leg, _: Known) -> Iterator[Statement]:
    """A reliable response that nobody acknowledges (§3: given up after 64*T1)."""
    acknowledged = {_rack(m) for hop in leg.of("PRACK") for m in hop.requests}
    for hop in leg.initial:
        reliable_: dict[str, list[Message]] = {}
        for message in hop.provisional:
            if hop.parent is None and message.header("rseq"):
                reliable_.setdefault(message.header("rseq"), []).append(message)
        for number, sent in reliable_.items():
            if (number, str(hop.cseq)) not in acknowledged:
                text = f"{sent[0].status} asks for PRACK (RSeq {quote(number, marks=False)}), "
                text += f"and none was captured; it was sent {times(len(sent))}"
                if len(sent) > 1:
                    text += f" in {span((sent[-1].ts - sent[0].ts).total_seconds())}"
                severity = Severity.PROBLEM if len(sent) > 1 else Severity.NOTICE
                yield state(Code.PRACK_MISSING, f"{text}.", sent, severity)


def bad_extension(leg: Leg, _: Known) -> Iterator[Statement]:
    """420 and 421: one side needs what the other does not have (RFC 3261 §8.2.2.3)."""
    for hop in leg.transactions:
        refusal = hop.refusal
        if not refusal or refusal.status not in (420, 421) or leg.origin(refusal) is not refusal:
            continue
        proofs = [*hop.requests[:1], refusal]
        if refusal.status == 420:
            names = ", ".join(refusal.headers("unsupported")) or "it does not say which"
            text = f"{refusal.src} does not know the extension that {hop.src} requires: "
        else:
            names = ", ".join(refusal.headers("require")) or "it does not say which"
            text = f"{refusal.src} requires an extension that {hop.src} does not offer: "
        yield state(Code.EXTENSION, f"{text}{quote(names, marks=False)}.", proofs, Severity.PROBLEM)


def interval_too_small(leg: Leg, _: Known) -> Iterator[Statement]:
    """422: the session interval is below what an element takes (RFC 4028 §6)."""
    for hop in leg.of("INVITE", "UPDATE"):
        refusal = hop.refusal
        if refusal and refusal.status == 422:
            least = quote(leg.origin(refusal).header("min-se") or "?", marks=False)
            text = f"{leg.origin(refusal).src} takes no session interval below {least} s (Min-SE)."
            yield state(
                Code.INTERVAL_TOO_SMALL, text, [*hop.requests[:1], refusal], Severity.NOTICE
            )


def dtmf(leg: Leg, _: Known) -> Iterator[Statement]:
    """Digits by INFO; which ones is nobody's business here: they may be a PIN."""
    pressed: dict[str, list[Message]] = {}
    for hop in leg.of("INFO"):
        for request in hop.requests[:1]:
            kind = request.header("content-type").partition(";")[0].strip().lower()
            if kind in _DTMF:
                pressed.setdefault(side(leg, request), []).append(request)
    for by, sent in list(pressed.items())[:2]:
        yield state(Code.DTMF, f"{by} sent {plural(len(sent), 'DTMF digit')} by INFO.", sent)


def info_refused(leg: Leg, _: Known) -> Iterator[Statement]:
    """An INFO that the other side did not take."""
    for hop in leg.of("INFO"):
        refusal = hop.refusal
        if refusal and hop.requests:
            source = leg.origin(refusal)
            text = f"{source.src} refused an INFO: {source.status} "
            text += f"{quote(source.reason, marks=False)}."
            yield state(Code.INFO_REFUSED, text, [hop.requests[0], source], Severity.NOTICE)


def _rack(message: Message) -> tuple[str, str]:
    """RSeq and CSeq number that a PRACK acknowledges (RFC 3262 §7.2)."""
    numbers = message.header("rack").split()
    return (numbers[0], numbers[1]) if len(numbers) > 1 else ("", "")


RULES = (reliable, prack_missing, bad_extension, interval_too_small, dtmf, info_refused)
