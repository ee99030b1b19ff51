# SPDX-License-Identifier: GPL-2.0-or-later
"""How an ordinary call goes: called, rang, answered, talked, hung up."""

from __future__ import annotations

from collections.abc import Iterator

from collector.explain.code import Code
from collector.explain.ending import Ending
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import because, between, name, span, status_words, who


def called(leg: Leg, _: Known) -> Iterator[Statement]:
    """Who called whom."""
    if leg.last and leg.attempts[0].request.is_request:
        first = leg.attempts[0].request
        to = f"{name(leg.callee)} at {first.dst}"
        yield state(Code.CALLED, f"{who(leg, first.src, first)} called {to}.", [first])


def progress(leg: Leg, _: Known) -> Iterator[Statement]:
    """A provisional response without ringing: something happens, the caller may hear it or not."""
    for hop in leg.initial:
        if hop.parent is None and not any(m.status == 180 for m in hop.provisional):
            for message in hop.provisional[:1]:
                source = leg.origin(message)
                text = f"{who(leg, source.src, source)} said {status_words(message)}"
                yield state(Code.PROGRESS, f"{text}, without ringing.", [source, message])


def rang(leg: Leg, _: Known) -> Iterator[Statement]:
    """Each phone: how long it took until it rang, and how long it rang."""
    told = set()
    for hop in leg.last.hops if leg.last else ():
        ringing = next((m for m in hop.provisional if m.status == 180), None)
        if not ringing or leg.origin(ringing) is not ringing or ringing.src in told:
            continue
        told.add(ringing.src)
        proofs = [ringing]
        text = f"{who(leg, ringing.src, ringing)} rang"
        first = leg.attempts[0].request
        if first.is_request:
            proofs.append(first)
            text += f" {span(between(first, ringing))} after the INVITE"
        if hop.final and hop.final.order > ringing.order:
            proofs.append(hop.final)
            text += f", for {span(between(ringing, hop.final))}"
        yield state(Code.RANG, f"{text}.", proofs)


def early_media(leg: Leg, _: Known) -> Iterator[Statement]:
    """Audio before the answer: a ringing tone or an announcement from the far side."""
    found = next((m for m in _provisional(leg) if m.audio and m.audio.port), None)
    if found:
        source = leg.origin(found)
        text = f"{status_words(found)} brought early media from {source.media_ip or 'a host'}"
        yield state(
            Code.EARLY_MEDIA,
            f"{text}: the caller heard audio of the far side before the answer.",
            [source, found],
            certainty=Certainty.LIKELY,
        )


def answered(leg: Leg, _: Known) -> Iterator[Statement]:
    """Who answered, and after how long."""
    if leg.answer and leg.last:
        source = leg.origin(leg.answer)
        proofs = [source, leg.answer]
        text = f"{who(leg, source.src, source)} answered with {status_words(leg.answer)}"
        first = leg.attempts[0].request
        if first.is_request:
            proofs.append(first)
            text += f", {span(between(first, leg.answer))} after the INVITE"
        yield state(Code.ANSWERED, f"{text}.", proofs)


def talked(leg: Leg, _: Known) -> Iterator[Statement]:
    """From the answer to the BYE."""
    ending = Ending.of(leg)
    if leg.answer and ending:
        text = f"The call lasted {span(between(leg.answer, ending.bye))}."
        yield state(Code.TALKED, text, [ending.bye, leg.answer])


def hung_up(leg: Leg, _: Known) -> Iterator[Statement]:
    """Who sent the BYE, and with what reason."""
    ending = Ending.of(leg)
    if ending:
        bye = ending.bye
        early = "" if leg.answer or not leg.last else " before the answer"
        text = f"{ending.who} hung up{early} (BYE from {bye.src}){because(bye)}."
        yield state(Code.HUNG_UP, text, [bye], certainty=ending.certainty)


def no_end(leg: Leg, known: Known) -> Iterator[Statement]:
    """Answered, and no BYE."""
    if leg.answer and not Ending.of(leg):
        last = leg.messages[-1]
        text = "No BYE was captured: "
        if known.given_up:
            text += "nothing came for so long that the call counts as timed out."
        else:
            text += "the call may be going on, or its end went another way."
        severity = Severity.NOTICE if known.given_up else Severity.INFO
        yield state(Code.NO_END, text, [last, leg.answer], severity, Certainty.UNKNOWN)


def first_ringing(leg: Leg) -> Message | None:
    """The first 180 as it came to the caller."""
    return next((m for m in _provisional(leg) if m.status == 180), None)


def _provisional(leg: Leg) -> list[Message]:
    entries = [hop for hop in leg.initial if hop.parent is None]
    return sorted((m for hop in entries for m in hop.provisional), key=lambda m: m.order)


RULES = (called, progress, rang, early_media, answered, talked, hung_up, no_end)
