# SPDX-License-Identifier: GPL-2.0-or-later
"""Transfer: REFER, what NOTIFY says of it, and Replaces (RFC 3515, RFC 3891, RFC 5589)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import quote, side, status_words, uri_of

_FRAGMENT: Final = re.compile(rb"SIP/2\.0 ([1-6]\d\d)(?: ([^\r\n]{0,80}))?")
_REPLACES: Final = re.compile(r"[?&]replaces=", re.IGNORECASE)


def transfer(leg: Leg, _: Known) -> Iterator[Statement]:
    """Who asked whom to call where."""
    for hop in leg.of("REFER"):
        for request in hop.requests[:1]:
            target = request.header("refer-to")
            attended = bool(_REPLACES.search(target))
            text = f"{side(leg, request)} transferred the call to "
            text += uri_of(target) or "an address that it does not name"
            text += ", in the place of a call that it had there (attended)" if attended else ""
            yield state(Code.TRANSFER, f"{text}.", [request])


def transfer_refused(leg: Leg, _: Known) -> Iterator[Statement]:
    """A REFER that was not accepted."""
    for hop in leg.of("REFER"):
        if hop.refusal and hop.requests:
            text = f"{hop.refusal.src} refused the transfer: {status_words(hop.refusal)}."
            yield state(
                Code.TRANSFER_REFUSED, text, [hop.refusal, hop.requests[0]], Severity.PROBLEM
            )


def transfer_result(leg: Leg, _: Known) -> Iterator[Statement]:
    """What became of it, as the last NOTIFY with a result says (RFC 3515 §2.4.5)."""
    results: list[tuple[Message, int, str]] = []
    for hop in leg.of("NOTIFY"):
        for request in hop.requests[:1]:
            found = _FRAGMENT.match(request.body.lstrip())
            if found and request.header("event").lower().startswith("refer"):
                phrase = (found[2] or b"").decode("utf-8", "replace")
                results.append((request, int(found[1]), phrase))
    finals = [result for result in results if result[1] >= 200]
    if finals:
        request, status, phrase = finals[-1]
        words = f"{status} {quote(phrase, marks=False)}".strip()
        worked = status < 300
        text = f"The transfer {'succeeded' if worked else 'failed'}: {words}, says {request.src}."
        code = Code.TRANSFERRED if worked else Code.TRANSFER_FAILED
        yield state(code, text, [request], Severity.INFO if worked else Severity.PROBLEM)
    elif leg.of("REFER") and not any(hop.refusal for hop in leg.of("REFER")):
        asked = [m for hop in leg.of("REFER") for m in hop.requests[:1]]
        if asked:
            text = "How the transfer went is unknown: no NOTIFY with a result was captured."
            proofs = [*asked, *(result[0] for result in results)]
            severity, certainty = Severity.NOTICE, Certainty.UNKNOWN
            yield state(Code.TRANSFER_UNKNOWN, text, proofs, severity, certainty)


def replaces(leg: Leg, _: Known) -> Iterator[Statement]:
    """An INVITE that takes the place of another call (RFC 3891)."""
    for attempt in leg.attempts[:1]:
        value = attempt.request.header("replaces")
        if value:
            other = quote(value.partition(";")[0].strip())
            text = f"The INVITE takes the place of the call {other} (Replaces)."
            yield state(Code.REPLACES, text, [attempt.request])


RULES = (transfer, transfer_refused, transfer_result, replaces)
