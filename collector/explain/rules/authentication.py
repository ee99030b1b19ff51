# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials: asked for, sent, not sent, not accepted (RFC 3261 §22)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import CHALLENGES, Leg
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import name, quote, status_words, who

_REALM: Final = re.compile(r'\brealm\s*=\s*(?:"([^"]*)"|([^",\s]*))', re.IGNORECASE)
_STALE: Final = re.compile(r'\bstale\s*=\s*"?true\b', re.IGNORECASE)
_FIELDS: Final = {
    401: ("www-authenticate", "authorization"),
    407: ("proxy-authenticate", "proxy-authorization"),
}


class Challenge(NamedTuple):
    """A 401 or 407 that came to the caller."""

    request: Message
    response: Message
    source: Message
    """The same response nearest to the one who made it."""
    realm: str
    repeated: bool
    """Whether the request had credentials for this realm already."""
    stale: bool
    """Whether they were only too old: another try with the same password may go."""
    last: bool
    """Whether no other INVITE followed."""


def challenges(leg: Leg) -> list[Challenge]:
    """In their order."""
    found = []
    for attempt in leg.attempts:
        response = attempt.final
        if response and response.status in CHALLENGES:
            request = attempt.request
            asked, given = _FIELDS[response.status]
            values = response.headers(asked)
            realms = [_realm(value) for value in values]
            sent = [_realm(value) for value in request.headers(given)]
            stale = any(_STALE.search(value) for value in values)
            repeated = bool(sent) and (not realms or any(realm in sent for realm in realms))
            found.append(
                Challenge(
                    *(request, response, leg.origin(response), next(iter(realms), "")),
                    *(repeated, stale, attempt is leg.last),
                )
            )
    return found


def challenged(leg: Leg, _: Known) -> Iterator[Statement]:
    """The everyday case: asked, and sent again with credentials."""
    for challenge in challenges(leg):
        if not challenge.repeated and not challenge.last:
            text = f"{_asks(leg, challenge)}; {name(leg.caller)} called again."
            yield state(Code.CHALLENGED, text, [challenge.source, challenge.response])


def stale_nonce(leg: Leg, _: Known) -> Iterator[Statement]:
    """The nonce was too old; a phone takes the new one and tries again by itself."""
    for challenge in challenges(leg):
        if challenge.repeated and challenge.stale:
            text = f"{challenge.source.src} found the nonce of the credentials too old (stale)"
            text += "; no other INVITE followed." if challenge.last else "; a new one was used."
            severity = Severity.PROBLEM if challenge.last else Severity.INFO
            yield state(Code.STALE_NONCE, text, _proofs(challenge), severity)


def wrong_credentials(leg: Leg, _: Known) -> Iterator[Statement]:
    """Asked again although credentials for the realm had been sent."""
    for challenge in challenges(leg):
        if challenge.repeated and not challenge.stale:
            user = challenge.request.auth_user
            text = (
                f"{challenge.source.src} did not accept the credentials"
                f"{f' of {quote(user)}' if user else ''} and asked again with "
                f"{status_words(challenge.source)}: wrong user name or password."
            )
            severity = Severity.PROBLEM if challenge.last else Severity.NOTICE
            yield state(
                *(Code.WRONG_CREDENTIALS, text, _proofs(challenge), severity, Certainty.LIKELY)
            )


def no_credentials(leg: Leg, _: Known) -> Iterator[Statement]:
    """Asked, and never called again."""
    for challenge in challenges(leg):
        if challenge.last and not challenge.repeated:
            text = f"{_asks(leg, challenge)}, but no INVITE with them was captured."
            yield state(Code.NO_CREDENTIALS, text, _proofs(challenge), Severity.PROBLEM)


def forbidden_credentials(leg: Leg, _: Known) -> Iterator[Statement]:
    """A 403 to an INVITE with credentials: many servers say so what others say with another 401."""
    final = leg.last.final if leg.last else None
    if leg.last and final and final.status == 403 and leg.last.request.auth_user:
        request = leg.last.request
        text = f"The refused INVITE had credentials of {quote(request.auth_user)}: "
        text += "the 403 may be about them, or about what this user may call."
        yield state(
            *(Code.CREDENTIALS_FORBIDDEN, text, [final, request]),
            *(Severity.NOTICE, Certainty.UNKNOWN),
        )


def _asks(leg: Leg, challenge: Challenge) -> str:
    realm = f" for realm {quote(challenge.realm)}" if challenge.realm else ""
    source = challenge.source
    return f"{who(leg, source.src, source)} asked for credentials{realm} ({status_words(source)})"


def _proofs(challenge: Challenge) -> list[Message]:
    return [challenge.source, challenge.request, challenge.response]


def _realm(value: str) -> str:
    found = _REALM.search(value)
    return (found[1] or found[2] or "") if found else ""


RULES = (challenged, stale_nonce, wrong_credentials, no_credentials, forbidden_credentials)
