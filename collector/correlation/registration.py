# SPDX-License-Identifier: GPL-2.0-or-later
"""What REGISTER and its responses say about a registration (RFC 3261 §10).

A registration is a list with one slot for each group of ``columns.REGISTRATION``, as in ``leg``.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

from collector import sip
from collector.copy_binary import clean_text
from collector.correlation.columns import REGISTRATION, slots
from collector.correlation.encode import MAX_TEXT_BYTES
from collector.correlation.fact import Fact, is_later
from collector.row import transport

Registration: TypeAlias = list[Any]

_SLOT: Final = slots(REGISTRATION)
FIRST_AT, LAST_AT = _SLOT["first_at"], _SLOT["last_at"]
REQUESTS, CHALLENGES, FAILURES = _SLOT["requests"], _SLOT["challenges"], _SLOT["failures"]
REQUEST, RESPONSE = _SLOT["request"], _SLOT["response"]
SUCCESS, FAILURE = _SLOT["success"], _SLOT["failure"]
AUTH_USER: Final = _SLOT["auth_user"]

_CONTACT_EXPIRES: Final = re.compile(rb";[ \t]*expires[ \t]*=[ \t]*\"?(\d{1,10})", re.IGNORECASE)
_LONGEST: Final = 2**31 - 1
_SEARCHED: Final = 1024
"""Bytes of Contact in which its expires parameter must begin."""


def aor(fact: Fact) -> bytes:
    """The address of record: user@host of To (RFC 3261 §10.2), or the host alone."""
    user, domain = fact.message.to_user, fact.message.to_domain
    return clean_text(user + b"@" + domain if user else domain, MAX_TEXT_BYTES)


def add(registration: Registration | None, fact: Fact) -> Registration:
    """Take one more message into account; returns the registration, made when it is None."""
    ts, record_id, _, packet, message, node, _, _, _ = fact
    if registration is None:
        registration = [None] * len(REGISTRATION)
        registration[FIRST_AT] = registration[LAST_AT] = ts
        registration[REQUESTS] = registration[CHALLENGES] = registration[FAILURES] = 0
    elif ts < registration[FIRST_AT]:
        registration[FIRST_AT] = ts
    elif ts > registration[LAST_AT]:
        registration[LAST_AT] = ts
    status = message.status
    if not status:
        registration[REQUESTS] += 1
        if message.auth_user:
            name = clean_text(message.auth_user, MAX_TEXT_BYTES)
            registration[AUTH_USER] = max(registration[AUTH_USER] or b"", name)
        if is_later(registration[REQUEST], fact):
            registration[REQUEST] = (
                *(ts, record_id, message.cseq, _expires(fact)),
                *(message.contact, message.contact_user, message.contact_domain),
                *(packet.src_port, packet.dst_port, packet.src_ip, packet.dst_ip),
                *(transport(packet.protocol, message.via_transport), node, message.user_agent),
            )
    elif status >= 200:
        if status in sip.CHALLENGES:
            registration[CHALLENGES] += 1
        elif status >= 300:
            registration[FAILURES] += 1
            if is_later(registration[FAILURE], fact):
                registration[FAILURE] = (ts, record_id, status, message.reason)
        elif is_later(registration[SUCCESS], fact):
            registration[SUCCESS] = (ts, record_id, _expires(fact))
        if is_later(registration[RESPONSE], fact):
            registration[RESPONSE] = (ts, record_id, message.cseq, status, message.reason)
    return registration


def _expires(fact: Fact) -> int | None:
    """Seconds of the first Contact, else of the Expires header; None when neither says."""
    message = fact.message
    found = _CONTACT_EXPIRES.search(message.contact, 0, _SEARCHED)
    digits = found[1] if found else message.expires
    return min(int(digits[:10]), _LONGEST) if digits.isdigit() else None
