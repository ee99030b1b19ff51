# SPDX-License-Identifier: GPL-2.0-or-later
"""One INVITE, several destinations: at once (forking, RFC 3261 §16.7) or one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import CHALLENGES, Leg, Transaction
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import because, name, plural, status_words, target_of


def forked(leg: Leg, _: Known) -> Iterator[Statement]:
    """An element called several destinations at the same time; which one won."""
    for hop in leg.initial:
        branches = [child for child in hop.children if child.requests]
        if len(branches) > 1 and not _one_after_the_other(branches):
            places = ", ".join(str(child.dst) for child in branches[:8])
            text = f"{branches[0].src} called {plural(len(branches), 'destination')} at once: "
            yield state(Code.FORKED, f"{text}{places}.", [child.first for child in branches])
            answers = [child.final for child in branches if child.final]
            won = next((m for m in answers if m.status < 300), None)
            if won:
                yield state(Code.FORK_WON, f"Of these, {won.src} answered first.", [won])


def tried_next(leg: Leg, _: Known) -> Iterator[Statement]:
    """An element, or the caller, tried another destination after the first had failed."""
    groups = [hop.children for hop in leg.initial]
    groups += [attempt.entries for attempt in leg.attempts]
    for group in groups:
        tried = [child for child in group if child.requests]
        if len(tried) > 1 and _one_after_the_other(tried):
            for before, after in itertools.pairwise(tried):
                failed = before.refusal
                why = f"answered {status_words(failed)}" if failed else "had not answered"
                if failed and failed.status == 487:
                    why = "was cancelled"
                text = f"{after.src} tried {after.dst}, because {before.dst} {why}."
                proofs = [after.first, failed or before.first]
                certainty = Certainty.CERTAIN if failed else Certainty.LIKELY
                yield state(Code.TRIED_NEXT, text, proofs, Severity.NOTICE, certainty)


def tried_again(leg: Leg, _: Known) -> Iterator[Statement]:
    """The caller followed a redirection with another INVITE, or tried again after a refusal."""
    for before, after in zip(leg.attempts, leg.attempts[1:], strict=False):
        final = before.final
        if not final or final.status in CHALLENGES or not after.request.is_request:
            continue
        request, source = after.request, leg.origin(final)
        if 300 <= final.status < 400:
            text = f"{source.src} answered {status_words(source)}, to {target_of(source)}; "
            text += f"{name(leg.caller)} followed that and called {request.dst}."
            yield state(Code.REDIRECT_FOLLOWED, text, [request, source, final])
        else:
            text = f"{source.src} answered {status_words(source)}{because(source)}; "
            text += f"{name(leg.caller)} called again."
            yield state(Code.TRIED_AGAIN, text, [request, source, final], Severity.NOTICE)


def early_dialogs(leg: Leg, _: Known) -> Iterator[Statement]:
    """Several To tags in the responses of one INVITE: somebody beyond the capture forked."""
    for hop in leg.initial:
        if hop.children or hop.cseq != (leg.last.entry.cseq if leg.last else -1):
            continue
        tagged: dict[str, Message] = {}
        for message in hop.responses:
            if message.to_tag and message.status < 300:
                tagged.setdefault(message.to_tag, message)
        if len(tagged) > 1:
            answers = [m for m in hop.finals if m.status < 300]
            text = f"{plural(len(tagged), 'phone')} responded through {hop.dst} (To tags)"
            text += "; one of them answered." if answers else "; none of them answered."
            yield state(Code.EARLY_DIALOGS, text, [*tagged.values(), *answers[:1]])


def several_answers(leg: Leg, _: Known) -> Iterator[Statement]:
    """2xx with different To tags: the caller has to end all calls but one (§13.2.2.4)."""
    for hop in leg.initial:
        answers: dict[str, Message] = {}
        for message in hop.finals:
            if message.status < 300:
                answers.setdefault(message.to_tag, message)
        if len(answers) > 1 and hop.parent is None:
            text = f"{len(answers)} phones answered; the caller has to hang up all but one."
            yield state(Code.SEVERAL_ANSWERS, text, answers.values(), Severity.NOTICE)


def _one_after_the_other(hops: list[Transaction]) -> bool:
    """Whether each was sent when the one before had ended, or had been waited for in vain."""
    for before, after in itertools.pairwise(hops):
        ended = before.final_before(after.first)
        waited = not before.responses and len(before.requests) > 1
        if not ended and not (waited and before.requests[-1].order < after.first.order):
            return False
    return True


RULES = (forked, tried_next, tried_again, early_dialogs, several_answers)
