# SPDX-License-Identifier: GPL-2.0-or-later
"""The one sentence: what happened, and why it ended that way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from collector.explain.code import Code
from collector.explain.ending import Ending
from collector.explain.known import Known
from collector.explain.leg import CHALLENGES, Leg
from collector.explain.message import Message
from collector.explain.rules.cancel import cancel_of
from collector.explain.rules.refusal import refusal_code, refusal_of, refusal_words
from collector.explain.rules.story import first_ringing
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import because, between, name, span, status_words

_SPOILED: Final = (Code.SESSION_EXPIRED, Code.ACK_MISSING, Code.ACK_LOST, Code.CANCEL_RACE)
"""What explains the end of an answered call better than who sent the BYE."""
_CHALLENGED: Final = (Code.WRONG_CREDENTIALS, Code.STALE_NONCE, Code.NO_CREDENTIALS)


def headline_of(leg: Leg, known: Known, statements: Sequence[Statement]) -> Statement:
    """What became of the leg; ``unknown`` where the messages do not tell.

    ``statements`` are those of the rules: some of them are the reason.
    """
    if not leg.last:
        return _without_invite(leg, statements)
    if leg.answer:
        return _answered(leg, leg.answer, known, statements)
    final = leg.last.final
    cancel = cancel_of(leg)
    if cancel and (final is None or final.status == 487):
        return _cancelled(leg, cancel)
    ending = Ending.of(leg)
    if ending and (final is None or final.status == 487):
        text = f"{_pair(leg)}, and {ending.who} hung up before the answer{because(ending.bye)}."
        return state(Code.CANCELLED, text, [ending.bye], certainty=ending.certainty)
    if final is None:
        return _without_final(leg, known, statements)
    if final.status in CHALLENGES:
        return _because_of(leg, statements, _CHALLENGED) or _unknown(leg, _pair(leg))
    if final.status == 408:
        return _because_of(leg, statements, (Code.GAVE_UP,)) or _unknown(leg, _pair(leg))
    refusal = refusal_of(leg)
    if refusal:
        return _refused(leg, refusal, statements)
    text = f"{_pair(leg)} and got {status_words(final)}, but no CANCEL of the caller was captured."
    return state(Code.CANCELLED, text, [final], Severity.NOTICE, Certainty.UNKNOWN)


def _answered(
    leg: Leg, answer: Message, known: Known, statements: Sequence[Statement]
) -> Statement:
    ending = Ending.of(leg)
    if not ending:
        text = f"{_pair(leg)}, and the call was answered"
        proofs = [answer, leg.messages[-1]]
        if known.given_up:
            text += "; how it ended is unknown, for no BYE was captured."
            return state(Code.NO_END, text, proofs, Severity.NOTICE, Certainty.UNKNOWN)
        text += "; no end was captured, so whether it goes on is unknown."
        return state(Code.RUNNING, text, proofs, certainty=Certainty.UNKNOWN)
    lasted = span(between(answer, ending.bye))
    spoiled = _because_of(leg, statements, _SPOILED, f"{ending.who} hung up after {lasted}")
    if spoiled:
        return spoiled
    text = f"{_pair(leg)}, they talked for {lasted}, and {ending.who} hung up{because(ending.bye)}."
    return state(Code.COMPLETED, text, [answer, ending.bye], certainty=ending.certainty)


def _cancelled(leg: Leg, cancel: Message) -> Statement:
    ringing = first_ringing(leg)
    text = f"{_pair(leg)} and cancelled"
    proofs = [cancel]
    if ringing and ringing.order < cancel.order:
        proofs.append(ringing)
        text += f" after {span(between(ringing, cancel))} of ringing"
    else:
        text += " before it rang"
    return state(Code.CANCELLED, f"{text}{because(cancel)}.", proofs)


def _without_final(leg: Leg, known: Known, statements: Sequence[Statement]) -> Statement:
    found = _because_of(leg, statements, (Code.NO_RESPONSE, Code.RESPONSE_LOST))
    heard = [m for m in leg.messages if m.status and m.method == "INVITE"]
    if found and not heard:
        return found
    rang = first_ringing(leg)
    text = f"{_pair(leg)}; it {'rang' if rang else 'did not ring yet'}, and "
    text += "how it ended" if known.given_up else "whether it goes on"
    text += " is unknown: no final response was captured."
    code = Code.NO_FINAL if known.given_up else Code.RUNNING
    severity = Severity.NOTICE if known.given_up else Severity.INFO
    return state(code, text, heard or leg.messages, severity, Certainty.UNKNOWN)


def _refused(leg: Leg, refusal: Message, statements: Sequence[Statement]) -> Statement:
    code = refusal_code(refusal.status)
    severity = next((s.severity for s in statements if s.code is code), Severity.NOTICE)
    source = leg.origin(refusal)
    return state(code, f"{_pair(leg)}: {refusal_words(leg, refusal)}.", [source, refusal], severity)


def _without_invite(leg: Leg, statements: Sequence[Statement]) -> Statement:
    if not leg.messages:
        text = "Nothing was captured of it."
        return state(Code.UNKNOWN, text, [], Severity.NOTICE, Certainty.UNKNOWN)
    found = next((s for s in statements if s.code is Code.NOT_A_CALL), None)
    if found:
        return found
    ending = Ending.of(leg)
    if ending:
        text = f"{ending.who} hung up{because(ending.bye)}; what was before is unknown."
        return state(Code.COMPLETED, text, [ending.bye], Severity.NOTICE, ending.certainty)
    text = "Only a part of the call was captured, without its beginning and without its end."
    proofs = [leg.messages[0], leg.messages[-1]]
    return state(Code.UNKNOWN, text, proofs, Severity.NOTICE, Certainty.UNKNOWN)


def _because_of(
    leg: Leg, statements: Sequence[Statement], codes: Sequence[Code], beside: str = ""
) -> Statement | None:
    """The last statement with one of these codes, as what became of the call."""
    found = next((s for s in reversed(statements) if s.code in codes), None)
    if found is None:
        return None
    text = f"{_pair(leg)}; {beside}. {found.text}" if beside else f"{_pair(leg)}: {found.text}"
    proofs = [message for message in leg.messages if message.id in set(found.messages)]
    return state(found.code, text, proofs, found.severity, found.certainty)


def _unknown(leg: Leg, text: str) -> Statement:
    proofs = [leg.messages[0], leg.messages[-1]]
    return state(
        Code.UNKNOWN, f"{text}; what became of it is unknown.", proofs, certainty=Certainty.UNKNOWN
    )


def _pair(leg: Leg) -> str:
    return f"{name(leg.caller)} called {name(leg.callee)}"
