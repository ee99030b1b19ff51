# SPDX-License-Identifier: GPL-2.0-or-later
"""What a message says about other legs that belong to its own, and how sure that is.

An edge leads from a leg to an id: another leg's Call-ID, or something that legs have in common.
Legs that lead to the same id belong together.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from collector.correlation.fact import Fact


class Reason(StrEnum):
    """Why a leg is linked."""

    HEADER = "header"
    """A header of correlation.headers names the other leg."""
    HEP = "hep"
    """The sender of HEP gave another correlation id than the Call-ID."""
    SESSION = "session"
    """Half of a Session-ID (RFC 7989)."""
    REPLACES = "replaces"
    """The call takes the place of another (RFC 3891)."""
    REFER = "refer"
    """A transfer to a call that exists already (RFC 3515 with Replaces)."""
    NUMBERS = "numbers"
    """The same numbers at about the same time, on the way through the same host."""


class Confidence(StrEnum):
    """How sure a link is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "guess"


CONFIDENCE: Final = {
    Reason.HEADER: Confidence.CERTAIN,
    Reason.HEP: Confidence.LIKELY,
    Reason.SESSION: Confidence.CERTAIN,
    Reason.REPLACES: Confidence.CERTAIN,
    Reason.REFER: Confidence.CERTAIN,
    Reason.NUMBERS: Confidence.GUESS,
}

SESSION_PREFIX: Final = b"session:"
"""Before a Session-ID half in linked_id, which can be no Call-ID then by mistake."""
_SESSION_DIGITS: Final = 32
_NO_SESSION: Final = b"0" * _SESSION_DIGITS
_HEX: Final = b"0123456789abcdef"


class Edge(NamedTuple):
    """From the message's leg to ``linked_id``."""

    linked_id: bytes
    reason: Reason
    detail: bytes


def edges(fact: Fact) -> Iterator[Edge]:
    """The edges that one message gives."""
    message, packet = fact.message, fact.packet
    if fact.aleg_id and fact.aleg_id != fact.call_id:
        yield Edge(fact.aleg_id, Reason.HEADER, fact.aleg_header.encode())
    given = packet.correlation_id
    if given and given not in (message.call_id, fact.aleg_id):
        yield Edge(given, Reason.HEP, b"")
    if message.session_id:
        for half in _session_halves(message.session_id):
            yield Edge(SESSION_PREFIX + half, Reason.SESSION, message.session_id)
    if message.replaces and not message.status:
        replaced = message.replaces.partition(b";")[0].strip()
        if replaced:
            yield Edge(replaced, Reason.REPLACES, message.replaces)
    if message.refer_to and not message.status:
        replaced = _replaced_by_refer(message.refer_to)
        if replaced:
            yield Edge(replaced, Reason.REFER, message.refer_to)


def _session_halves(value: bytes) -> Iterator[bytes]:
    """RFC 7989 §5: ``local;remote=peer``, 32 lower-case hexadecimal digits each; null is unknown.

    Each side puts its own half first, so the halves swap with the direction.
    """
    local, _, parameters = value.lower().partition(b";")
    halves = [local.strip()]
    for parameter in parameters.split(b";")[:8]:
        name, _, half = parameter.partition(b"=")
        if name.strip() == b"remote":
            halves.append(half.strip())
    for half in halves:
        if len(half) == _SESSION_DIGITS and half != _NO_SESSION and not half.strip(_HEX):
            yield half


def _replaced_by_refer(refer_to: bytes) -> bytes:
    """The Call-ID of a Replaces header within a Refer-To URI (RFC 3891 §4); ``b""`` for none."""
    start = refer_to.lower().find(b"replaces=")
    if start < 0:
        return b""
    value = unquote_to_bytes(refer_to[start + len(b"replaces=") :])
    end = min((at for mark in b";>&" if (at := value.find(mark)) >= 0), default=len(value))
    return value[:end].strip()
