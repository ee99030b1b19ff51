# SPDX-License-Identifier: GPL-2.0-or-later
"""Who refused the call, with what, and why as they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import CHALLENGES, Leg, Transaction
from collector.explain.message import Message
from collector.explain.statement import Severity, Statement, state
from collector.explain.words import because, name, quote, span, status_words, target_of, who

_BY_STATUS: Final = {
    **dict.fromkeys((404, 410, 484, 485, 604), Code.NOT_FOUND),
    **dict.fromkeys((486, 600), Code.BUSY),
    **dict.fromkeys((415, 488, 606), Code.NOT_ACCEPTABLE),
    **dict.fromkeys((420, 421), Code.BAD_EXTENSION),
    **dict.fromkeys((482, 483), Code.LOOP),
    403: Code.FORBIDDEN,
    480: Code.UNAVAILABLE,
    603: Code.DECLINED,
}
_WORDS: Final = {
    Code.NOT_FOUND: ("says that {} is not known", "does not know the number"),
    Code.BUSY: ("says that {} is busy", "is busy"),
    Code.NOT_ACCEPTABLE: (
        "says that what was offered cannot be done",
        "cannot do what was offered",
    ),
    Code.BAD_EXTENSION: ("says that an extension of SIP is missing", "misses an extension of SIP"),
    Code.LOOP: ("says that the call goes in circles", "says that the call goes in circles"),
    Code.FORBIDDEN: ("says that the call is not allowed", "does not allow the call"),
    Code.UNAVAILABLE: ("says that {} cannot be reached now", "cannot be reached now"),
    Code.DECLINED: ("says that {} declined the call", "declined the call"),
    Code.SERVER_FAULT: ("says that it, or what is behind it, failed", "failed"),
    Code.REFUSED: ("refused the call", "refused the call"),
}
"""Of an element that may speak for another one, and of the callee, who is known by its ringing."""
_PEOPLE: Final = frozenset((Code.BUSY, Code.DECLINED, Code.UNAVAILABLE))
"""What happens every day, with nothing to mend."""
EXPLAINED_ELSEWHERE: Final = CHALLENGES | {408, 487}
"""Statuses that rules of their own tell about."""


def refusal_code(status: int) -> Code:
    """The name of a refusal (RFC 3261 §21)."""
    if status < 400:
        return Code.REDIRECTED
    if 500 <= status < 600:
        return Code.SERVER_FAULT
    return _BY_STATUS.get(status, Code.REFUSED)


def refusal_of(leg: Leg) -> Message | None:
    """The response that ended the attempt, as it came to the caller."""
    final = leg.last.final if leg.last and not leg.answer else None
    if final and final.status >= 300 and final.status not in EXPLAINED_ELSEWHERE:
        return final
    return None


def refusal_words(leg: Leg, final: Message) -> str:
    """Who refused, in what words, as a sentence without its end."""
    source = leg.origin(final)
    code = refusal_code(final.status)
    by = who(leg, source.src, source)
    if code is Code.REDIRECTED:
        to = target_of(source)
        return f"{by} redirected the call with {status_words(source)} to {to}{because(source)}"
    of_others, of_itself = _WORDS[code]
    words = of_itself if source.src == leg.callee_end else of_others.format(name(leg.callee))
    return f"{by} {words}: {status_words(source)}{because(source)}"


def refused(leg: Leg, _: Known) -> Iterator[Statement]:
    """The element where the final response first appears, as opposed to those that passed it on."""
    final = refusal_of(leg)
    if not final:
        return
    source = leg.origin(final)
    code = refusal_code(final.status)
    words = refusal_words(leg, final)
    on_the_way = _forwarders(leg, source)
    if on_the_way:
        passed = ", then ".join(str(m.src) for m in on_the_way)
        words += f" (passed on by {passed})"
    everyday = code in _PEOPLE or code is Code.REDIRECTED
    severity = Severity.NOTICE if everyday else Severity.PROBLEM
    yield state(code, f"{words}.", [source, *on_the_way, final], severity)


def translated(leg: Leg, _: Known) -> Iterator[Statement]:
    """An element answered otherwise than it had been answered itself."""
    final = refusal_of(leg)
    source = leg.origin(final) if final else None
    hop = leg.hop_of(source) if source else None
    if not hop or not source:
        return
    for refusal in _refusals_before(hop, source):
        text = (
            f"{source.src} answered {status_words(source)} after {refusal.src} "
            f"had answered it {status_words(refusal)}{because(refusal)}."
        )
        yield state(Code.TRANSLATED, text, [source, refusal], Severity.NOTICE)


def retry_after(leg: Leg, _: Known) -> Iterator[Statement]:
    """When the refusing side wants to be asked again (RFC 3261 §20.33)."""
    final = refusal_of(leg)
    value = leg.origin(final).header("retry-after") if final else ""
    digits = value.partition(";")[0].partition("(")[0].strip()
    if final and value:
        short = digits.isascii() and digits.isdigit() and len(digits) <= 9
        after = f"in {span(int(digits))}" if short else quote(value)
        text = f"{leg.origin(final).src} asks to be tried again {after} (Retry-After)."
        yield state(Code.RETRY_AFTER, text, [leg.origin(final)], Severity.NOTICE)


def _forwarders(leg: Leg, source: Message) -> list[Message]:
    """The same response on the hops towards the caller."""
    found: list[Message] = []
    hop: Transaction | None = leg.hop_of(source)
    while hop and hop.parent:
        hop = hop.parent
        alike = (m for m in hop.responses if (m.status, m.to_tag) == (source.status, source.to_tag))
        passed = next(alike, None)
        if passed is None:
            break
        found.append(passed)
    return found


def _refusals_before(hop: Transaction, source: Message) -> Iterator[Message]:
    for child in hop.children:
        refusal = child.refusal
        ended = refusal and refusal.order < source.order and refusal.status != 487
        if refusal and ended and refusal.status != source.status:
            yield refusal


RULES = (refused, translated, retry_after)
