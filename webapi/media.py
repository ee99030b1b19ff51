# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the audio of a call was agreed to go: offers and answers in SDP (RFC 3264)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, NamedTuple

from collector.explain.message import Message, from_row
from collector.quality.verdict import codec_in_use
from collector.sdp import Audio, Direction

_SENDS: Final = (Direction.SENDRECV, Direction.SENDONLY)
_HEARS: Final = (Direction.SENDRECV, Direction.RECVONLY)


class Flow(StrEnum):
    """Who sends audio, as agreed."""

    BOTH = "both"
    FORWARD = "forward"
    """From the one who offered to the one who answered."""
    BACK = "back"
    NONE = "none"
    """Hold from both sides, or the stream was refused."""


_FLOWS: Final = {
    (True, True): Flow.BOTH,
    (True, False): Flow.FORWARD,
    (False, True): Flow.BACK,
    (False, False): Flow.NONE,
}
"""By whether there is audio forward, and back."""
_SENDERS: Final = ((Flow.BOTH, Flow.FORWARD), (Flow.BOTH, Flow.BACK))
"""When the one who offered sends, and when the one who answered does."""


class Agreement(NamedTuple):
    """An answer to an offer, on one hop."""

    at: datetime
    """When the answer was captured."""
    call_id: str
    message_id: int
    """Of the answer."""
    offer_id: int
    src_ip: IPv4Address | IPv6Address | None
    """Where the one who offered receives; None for a host name."""
    src_port: int
    dst_ip: IPv4Address | IPv6Address | None
    """Where the one who answered does."""
    dst_port: int
    codec: str | None
    """The first one of the answer that was offered."""
    flow: Flow


def agreements(rows: Iterable[Mapping[str, Any]]) -> list[Agreement]:
    """Those of all legs, from rows of messages in the order of time.

    What is agreed again without a change, as proxies pass it on and session timers renew it, is
    left out.
    """
    offers: dict[tuple[Any, ...], Message] = {}
    known: dict[str, dict[Any, Any]] = {}
    found = []
    for row in rows:
        if b"v=0" not in (row["raw"] or b""):
            continue
        message = from_row(row)
        if message.audio is None or message.status >= 300:
            continue
        hop = (row["call_id"], message.cseq, frozenset((message.src, message.dst)))
        offer = offers.setdefault(hop, message)
        if offer.src == message.src or not offer.audio:
            continue
        agreed = _agreement(row["call_id"], offer, offer.audio, message, message.audio)
        ends = (agreed.src_ip, agreed.src_port), (agreed.dst_ip, agreed.dst_port)
        # The other side may renew a session: the same streams, seen the other way round.
        senders = frozenset(
            end for end, flows in zip(ends, _SENDERS, strict=True) if agreed.flow in flows
        )
        key, value = frozenset(ends), (senders, agreed.codec)
        of_leg = known.setdefault(agreed.call_id, {})
        if of_leg.get(key) != value:
            if any(ip is not None and ip.is_unspecified for ip, _ in ends):
                of_leg.clear()  # what comes after such a hold is no repetition
            of_leg[key] = value
            found.append(agreed)
    return found


def _agreement(
    call_id: str, offer: Message, offered: Audio, answer: Message, answered: Audio
) -> Agreement:
    codecs = {"caller_codecs": offered.codecs.decode(), "callee_codecs": answered.codecs.decode()}
    is_refused = not (offered.port and answered.port)
    forward = _goes(offered, answered) and not is_refused
    back = _goes(answered, offered) and not is_refused
    return Agreement(
        *(answer.ts, call_id, answer.id, offer.id),
        *(_address(offered), offered.port, _address(answered), answered.port),
        codec_in_use(codecs),
        _FLOWS[forward, back],
    )


def _goes(sender: Audio, receiver: Audio) -> bool:
    """Whether one sends what the other wants to hear; 0.0.0.0 wants nothing."""
    wanted = receiver.direction in _HEARS and (any(receiver.ip) or not receiver.ip)
    return sender.direction in _SENDS and wanted


def _address(audio: Audio) -> IPv4Address | IPv6Address | None:
    return ip_address(audio.ip) if audio.ip else None
