# SPDX-License-Identifier: GPL-2.0-or-later
"""What the messages of one call leg say about it (RFC 3261 §13-17, RFC 3262, RFC 3311, RFC 3515).

A leg is a list with one slot for each group of ``columns.CALL``. A slot is None, a value, or the
values of a group's columns in their order, which begin with the key that FIRST and LAST go by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias
from zlib import crc32

from collector import sdp
from collector.copy_binary import clean_text
from collector.correlation.columns import CALL, slots
from collector.correlation.encode import MAX_TEXT_BYTES
from collector.correlation.fact import Fact, is_earlier, is_later
from collector.row import transport
from collector.sdp import Direction
from collector.sip import CHALLENGES

Leg: TypeAlias = list[Any]

_SLOT: Final = slots(CALL)
STARTED, LAST = _SLOT["started_at"], _SLOT["last_at"]
MESSAGES, SEEN = _SLOT["messages"], _SLOT["seen"]
FIRST, ATTEMPT = _SLOT["first"], _SLOT["attempt"]
TRYING, PROGRESS = _SLOT["trying_at"], _SLOT["progress_at"]
RINGING, EARLY_MEDIA = _SLOT["ringing_at"], _SLOT["early_media_at"]
ANSWER, CONFIRMED = _SLOT["answer"], _SLOT["confirmed_at"]
FAILURE, TERMINATED = _SLOT["failure"], _SLOT["terminated_at"]
CHALLENGE, CANCEL = _SLOT["challenge"], _SLOT["cancel"]
BYE, BYE_CONFIRMED = _SLOT["bye"], _SLOT["bye_confirmed_at"]
CALLER_MEDIA, CALLEE_MEDIA = _SLOT["caller_media"], _SLOT["callee_media"]
HELD, HOLD = _SLOT["held_at"], _SLOT["hold"]
REFER, AUTH_USER = _SLOT["refer"], _SLOT["auth_user"]

_INITIAL_INVITE, _INVITE_RESPONSE, _OTHER = range(3)
"""Ranks of what tells who called whom: see first_rank in ``columns``."""

_TRYING: Final = 100
_RINGING: Final = 180
_TERMINATED: Final = 487

METHODS: Final = frozenset((b"INVITE", b"ACK", b"BYE", b"CANCEL", b"PRACK", b"UPDATE", b"REFER"))
"""By CSeq: the messages that a leg is made of. INFO and NOTIFY say nothing about it and are found
outside of calls, too."""


def add(leg: Leg | None, fact: Fact) -> Leg:
    """Take one more message into account; returns the leg, which is made when it is None."""
    ts, message = fact.ts, fact.message
    if leg is None:
        leg = [None] * len(CALL)
        leg[STARTED] = leg[LAST] = ts
        leg[MESSAGES] = 0
        leg[SEEN] = []
    elif ts < leg[STARTED]:
        leg[STARTED] = ts
    elif ts > leg[LAST]:
        leg[LAST] = ts
    leg[MESSAGES] += 1
    leg[SEEN].append(_identity(fact))
    if message.auth_user:
        # Compared here and in the database, so it must be the same text in both.
        leg[AUTH_USER] = max(leg[AUTH_USER] or b"", clean_text(message.auth_user, MAX_TEXT_BYTES))
    rank = _OTHER
    if message.status:
        if message.method == b"INVITE":
            rank = _INVITE_RESPONSE
            _add_response(leg, fact, message.status)
        elif message.method == b"BYE" and message.status >= 200:
            _earliest(leg, BYE_CONFIRMED, ts)
    else:
        if message.method == b"INVITE" and not message.to_tag:
            rank = _INITIAL_INVITE
        add_request = _REQUESTS.get(message.method)
        if add_request:
            add_request(leg, fact)
    if _is_first(leg[FIRST], rank, ts, fact.record_id):
        leg[FIRST] = _origin(rank, fact)
    return leg


def _add_invite(leg: Leg, fact: Fact) -> None:
    message = fact.message
    if message.to_tag:  # within the dialog
        _add_hold(leg, fact)
        return
    order = -message.cseq
    if _is_first(leg[ATTEMPT], order, fact.ts, fact.record_id):
        leg[ATTEMPT] = (order, fact.ts, fact.record_id, message.via_branch)
    if message.body_size > 0:
        _add_caller_media(leg, fact, 0)


def _add_ack(leg: Leg, fact: Fact) -> None:
    _earliest(leg, CONFIRMED, fact.ts)
    if fact.message.body_size > 0:
        _add_caller_media(leg, fact, 1)


def _add_cancel(leg: Leg, fact: Fact) -> None:
    if is_earlier(leg[CANCEL], fact):
        message = fact.message
        leg[CANCEL] = (fact.ts, fact.record_id, message.via_branch, message.reason_header)


def _add_bye(leg: Leg, fact: Fact) -> None:
    if is_earlier(leg[BYE], fact):
        message, source = fact.message, fact.packet.src_ip
        leg[BYE] = (fact.ts, fact.record_id, source, message.from_tag, message.reason_header)


def _add_refer(leg: Leg, fact: Fact) -> None:
    if is_earlier(leg[REFER], fact):
        leg[REFER] = (fact.ts, fact.record_id, fact.message.refer_to)


def _add_response(leg: Leg, fact: Fact, status: int) -> None:
    """A response to an INVITE."""
    ts, record_id, message = fact.ts, fact.record_id, fact.message
    if status == _TRYING:
        _earliest(leg, TRYING, ts)
    elif status < 200:
        _earliest(leg, PROGRESS, ts)
        if status == _RINGING:
            _earliest(leg, RINGING, ts)
        if message.body_size > 0 and _add_callee_media(leg, fact, 1):
            _earliest(leg, EARLY_MEDIA, ts)
    elif status < 300:
        if is_earlier(leg[ANSWER], fact):
            source, agent = fact.packet.src_ip, message.user_agent
            leg[ANSWER] = (ts, record_id, status, source, message.to_tag, agent)
        if message.body_size > 0:
            _add_callee_media(leg, fact, 0)
    elif status in CHALLENGES:
        if is_later(leg[CHALLENGE], fact):
            leg[CHALLENGE] = (ts, record_id, status, message.cseq)
    elif status == _TERMINATED:
        # The last of several: where a proxy gave up one phone before, that was not the end.
        if leg[TERMINATED] is None or ts > leg[TERMINATED]:
            leg[TERMINATED] = ts
    elif is_later(leg[FAILURE], fact):
        texts = message.reason, message.reason_header, message.warning
        leg[FAILURE] = (ts, record_id, status, fact.packet.src_ip, *texts)


def _origin(rank: int, fact: Fact) -> tuple[Any, ...]:
    """Who calls whom; a response goes the other way than its request."""
    ts, record_id, _, packet, message, node, _, headers, _ = fact
    source = packet.src_port, packet.src_ip
    target = packet.dst_port, packet.dst_ip
    if message.status:
        source, target = target, source
    return (
        *(rank, ts, record_id, source[0], target[0], source[1], target[1]),
        *(message.from_user, message.from_domain, message.from_tag),
        *(message.to_user, message.to_domain, message.ruri_user, message.ruri_domain),
        *(message.pai_user, message.pai_domain),
        transport(packet.protocol, message.via_transport),
        node,
        b"" if message.status else message.user_agent,
        headers,
    )


def _add_caller_media(leg: Leg, fact: Fact, rank: int) -> None:
    if _is_first(leg[CALLER_MEDIA], rank, fact.ts, fact.record_id):
        audio = _audio(fact)
        if audio:
            key = rank, fact.ts, fact.record_id
            leg[CALLER_MEDIA] = (*key, audio.ip, audio.port, audio.codecs)


def _add_callee_media(leg: Leg, fact: Fact, rank: int) -> bool:
    """Whether the response has SDP that says where audio goes."""
    audio = _audio(fact)
    if audio and _is_first(leg[CALLEE_MEDIA], rank, fact.ts, fact.record_id):
        key = rank, fact.ts, fact.record_id
        leg[CALLEE_MEDIA] = (*key, audio.ip, audio.port, audio.codecs)
    return audio is not None


def _add_hold(leg: Leg, fact: Fact) -> None:
    """SDP within the dialog. The held side's own, recvonly, changes nothing."""
    audio = _audio(fact) if fact.message.to_tag and fact.message.body_size > 0 else None
    if audio and audio.direction is not Direction.RECVONLY:
        if audio.is_hold:
            _earliest(leg, HELD, fact.ts)
        if is_later(leg[HOLD], fact):
            leg[HOLD] = (fact.ts, fact.record_id, audio.is_hold)


def _audio(fact: Fact) -> sdp.Audio | None:
    return sdp.parse(fact.packet.payload[-fact.message.body_size :])


def _identity(fact: Fact) -> int:
    """What repeats of a message share, 24 bits, and 8 bits that tell capture agents apart."""
    packet, message = fact.packet, fact.message
    parts = (
        message.method,
        message.via_branch,
        message.to_tag,
        packet.src_ip,
        packet.dst_ip,
    )
    message_bits = crc32(b"\0".join(parts), message.status << 20 | message.cseq & 0xFFFFF)
    return message_bits & 0xFFFFFF00 | crc32(fact.node) & 0xFF


def _earliest(leg: Leg, slot: int, ts: int) -> None:
    if leg[slot] is None or ts < leg[slot]:
        leg[slot] = ts


def _is_first(have: tuple[Any, ...] | None, order: int, ts: int, record_id: int) -> bool:
    return have is None or (order, ts, record_id) < have[:3]


_REQUESTS: Final[dict[bytes, Callable[[Leg, Fact], None]]] = {
    b"INVITE": _add_invite,
    b"ACK": _add_ack,
    b"CANCEL": _add_cancel,
    b"BYE": _add_bye,
    b"UPDATE": _add_hold,
    b"REFER": _add_refer,
}
