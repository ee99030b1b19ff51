# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes on in an answered call: session timers, re-INVITE and UPDATE, hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.ending import Ending, Side
from collector.explain.known import Known
from collector.explain.leg import CHALLENGES, Leg
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import because, between, name, side, span, status_words

_SESSION: Final = re.compile(
    r"\s*(\d{1,9})\s*(?:;.*?\brefresher\s*=\s*(uac|uas)\b)?", re.IGNORECASE
)
_LATE_S: Final = 40
"""A BYE so long after the end of the interval is still of the timer: Timer F may pass before it."""


def session_expired(leg: Leg, _: Known) -> Iterator[Statement]:
    """A BYE when a session interval ends without a refresh (RFC 4028 §10)."""
    ending = Ending.of(leg)
    refreshed = _last_refresh(leg, ending.bye) if ending else None
    found = _SESSION.match(refreshed.header("session-expires")) if refreshed else None
    if not ending or not refreshed or not found:
        return
    interval = int(found[1])
    gap = between(refreshed, ending.bye)
    # RFC 4028 §10: the other side gives up min(32 s, a third) before the interval is over.
    if not interval - min(32, interval / 3) - 2 <= gap <= interval + _LATE_S:
        return
    refresher = _refresher(leg, refreshed, (found[2] or "").lower())
    if refresher is ending.side:
        return
    stopped = {Side.CALLER: leg.caller, Side.CALLEE: leg.callee}.get(refresher)
    text = (
        f"The BYE came {span(gap)} after the last refresh, and Session-Expires is {interval} s: "
        f"{name(stopped) if stopped else 'nobody'} "
        f"{'stopped refreshing' if stopped else 'refreshed'} the session (RFC 4028 §10)."
    )
    yield state(
        *(Code.SESSION_EXPIRED, text, [ending.bye, refreshed]),
        *(Severity.PROBLEM, Certainty.LIKELY),
    )


def change_refused(leg: Leg, _: Known) -> Iterator[Statement]:
    """A re-INVITE or UPDATE that was not accepted; the session goes on as it was (§14.1)."""
    for hop in leg.changes:
        refusal = hop.refusal
        if not refusal or refusal.status in CHALLENGES or not hop.requests:
            continue
        what = "UPDATE" if hop.method == "UPDATE" else "re-INVITE"
        source = leg.origin(refusal)
        text = f"{source.src} refused the {what} of {hop.src}: {status_words(source)}"
        text += because(source)
        code, severity = Code.CHANGE_REFUSED, Severity.PROBLEM
        if refusal.status == 491:
            code, severity = Code.GLARE, Severity.NOTICE
            text += "; both sides wanted a change at the same time, and try again (RFC 3261 §14.1)"
        elif refusal.status in (408, 481):
            text += "; that ends the call (RFC 3261 §12.2.1.2)"
        elif refusal.status in (488, 606):
            text += "; what it offers cannot be done there"
        yield state(code, f"{text}.", [source, hop.requests[0], refusal], severity)


def change_unanswered(leg: Leg, _: Known) -> Iterator[Statement]:
    """A re-INVITE or UPDATE that got no response."""
    for hop in leg.changes:
        if len(hop.requests) > 1 and not hop.responses:
            lasted = span(between(hop.requests[0], hop.requests[-1]))
            what = "UPDATE" if hop.method == "UPDATE" else "re-INVITE"
            text = f"{hop.dst} did not answer the {what} of {hop.src}, sent again for {lasted}."
            yield state(Code.CHANGE_UNANSWERED, text, hop.requests, Severity.PROBLEM)


def hold(leg: Leg, _: Known) -> Iterator[Statement]:
    """Who put whom on hold, and who took the call back (RFC 3264 §8.4)."""
    held = False
    for hop in leg.changes:
        request = next((m for m in hop.requests if m.audio), None)
        if request is None or request.audio is None or hop.refusal:
            continue
        if request.audio.is_hold != held:
            held = request.audio.is_hold
            by = side(leg, request)
            text = f"{by} put the call on hold." if held else f"{by} took the call back."
            yield state(Code.HOLD if held else Code.RESUMED, text, [request])


def _last_refresh(leg: Leg, bye: Message) -> Message | None:
    """The last 2xx with Session-Expires before the BYE: to the INVITE, a re-INVITE or UPDATE."""
    hops = [*leg.initial, *leg.changes]
    accepted = [hop.final for hop in hops if hop.final and hop.final.status < 300]
    timed = [m for m in accepted if m.order < bye.order and m.header("session-expires")]
    return max(timed, key=lambda m: m.order, default=None)


def _refresher(leg: Leg, response: Message, role: str) -> Side:
    """Who has to refresh: ``uac`` and ``uas`` are of the transaction that said so (§4)."""
    if not role or not response.from_tag:
        return Side.UNKNOWN
    asked_by_caller = response.from_tag == leg.caller_tag
    return Side.CALLER if asked_by_caller == (role == "uac") else Side.CALLEE


RULES = (session_expired, change_refused, change_unanswered, hold)
