# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the audio should go, and why one side may hear nothing (SDP offers and answers)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from collector.explain.address import is_local, is_private, is_public
from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import Message
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import name, side
from collector.sdp import Direction

_ICE: Final = b"\na=candidate:"


class Described(NamedTuple):
    """The audio that one side describes, on its way: the first and the last hop of it."""

    side: str
    sent: Message
    arrived: Message


def described(leg: Leg) -> list[Described]:
    """The caller's offer and the callee's answer of the call's beginning."""
    attempt = leg.last
    if not attempt:
        return []
    found = []
    offers = [m for hop in attempt.hops for m in hop.requests[:1] if m.audio]
    offers = offers or [ack for ack in _acks(leg) if ack.audio]
    if offers:
        far = max(offers, key=lambda m: (len(m.branches), m.order))
        found.append(Described(name(leg.caller), offers[0], far))
    answers = [m for m in attempt.responses if m.audio and 100 < m.status < 300]
    final = [m for m in answers if m.status >= 200]
    answers = final or answers
    if answers:
        near = min(answers, key=lambda m: (len(m.branches), m.order))
        source = leg.origin(near)
        found.append(Described(name(leg.callee), source if source.audio else near, near))
    return found


def private_address(leg: Leg, _: Known) -> Iterator[Statement]:
    """A media address of a private network that the other side cannot reach."""
    for party, sent, arrived in described(leg):
        if not is_private(arrived.media_ip) or not is_public(arrived.dst.ip):
            continue
        if _ICE in arrived.body:  # the ends try out other addresses (RFC 8445)
            continue
        text = f"{arrived.dst} is told to send {party}'s audio to {arrived.media_ip}, an address "
        text += "of a private network that it most likely cannot reach"
        yield state(
            *(Code.PRIVATE_MEDIA, f"{text}: {party} would hear nothing.", [sent, arrived]),
            *(Severity.PROBLEM, Certainty.LIKELY),
        )


def nat(leg: Leg, _: Known) -> Iterator[Statement]:
    """A private address in the SDP of somebody who sends from a public one."""
    for party, sent, arrived in described(leg):
        if is_private(sent.media_ip) and is_public(sent.src.ip):
            text = f"{party} is behind NAT: its SDP says {sent.media_ip}, its packets come from "
            text += f"{sent.src.ip}"
            if arrived.media_ip != sent.media_ip:
                text += f"; on the way {arrived.media_ip} was put in its place"
            yield state(*(Code.NAT, f"{text}.", [sent, arrived], Severity.NOTICE, Certainty.LIKELY))


def unroutable(leg: Leg, _: Known) -> Iterator[Statement]:
    """A loopback or zero address that is no use to anybody else."""
    for party, _sent, arrived in described(leg):
        local = is_local(arrived.media_ip) and not is_local(arrived.dst.ip)
        if local:
            text = f"{party}'s audio should go to {arrived.media_ip}, which means everybody's own"
            text += f" machine, not one that {arrived.dst} could reach."
            yield state(Code.UNROUTABLE_MEDIA, text, [arrived], Severity.PROBLEM)


def other_address(leg: Leg, _: Known) -> Iterator[Statement]:
    """Audio that goes elsewhere than the signalling: a media server, or a mistake."""
    for party, sent, _arrived in described(leg):
        differs = sent.media_ip and sent.src.ip and sent.media_ip != sent.src.ip
        silent = sent.audio and (sent.audio.port == 0 or not any(sent.audio.ip))
        hidden = is_private(sent.media_ip) and is_public(sent.src.ip)
        if differs and not silent and not hidden:
            text = f"{party}'s audio goes to {sent.media_ip}, its signalling comes from "
            yield state(Code.OTHER_MEDIA_ADDRESS, f"{text}{sent.src.ip}.", [sent])


def relayed(leg: Leg, _: Known) -> Iterator[Statement]:
    """An element that put its own media address into the SDP."""
    for party, sent, arrived in described(leg):
        if sent.media_ip and arrived.media_ip and sent.media_ip != arrived.media_ip:
            text = f"{party}'s audio address {sent.media_ip} was replaced by {arrived.media_ip} on "
            text += "the way: a media relay is in between."
            yield state(Code.MEDIA_RELAY, text, [sent, arrived])


def no_audio(leg: Leg, _: Known) -> Iterator[Statement]:
    """Port 0: the audio stream is refused (RFC 3264 §6)."""
    for party, sent, _arrived in described(leg):
        if sent.audio and sent.audio.port == 0:
            text = f"{party} gave port 0 for the audio: it refuses the stream, or cannot do it."
            yield state(Code.NO_AUDIO, text, [sent], Severity.PROBLEM)


def one_way(leg: Leg, _: Known) -> Iterator[Statement]:
    """A call that begins with a direction other than both."""
    for party, sent, _arrived in described(leg):
        if sent.audio and sent.audio.direction is not Direction.SENDRECV:
            what = {
                Direction.SENDONLY: "wants to send audio only, and to hear nothing",
                Direction.RECVONLY: "wants to receive audio only, and to send none",
                Direction.INACTIVE: "wants no audio for the moment",
            }[sent.audio.direction]
            text = f"{party} {what} (a={sent.audio.direction})."
            yield state(Code.ONE_WAY, text, [sent], Severity.NOTICE)
        elif sent.audio and sent.audio.ip and not any(sent.audio.ip):
            text = f"{party} gave the address {sent.media_ip}: on hold from the beginning."
            yield state(Code.ONE_WAY, text, [sent], Severity.NOTICE)


def codecs(leg: Leg, _: Known) -> Iterator[Statement]:
    """An answer without any of the codecs that were offered."""
    both = described(leg)
    if len(both) < 2:
        return
    offer, answer = both[0].arrived, both[1].sent
    if offer.method == "ACK":  # the answer to what the 2xx offered (RFC 3261 §13.2.1)
        offer, answer = both[1].arrived, both[0].sent
    offered, taken = _codecs(offer), _codecs(answer)
    if offered and taken and not {c.lower() for c in offered} & {c.lower() for c in taken}:
        text = (
            f"No codec in common: {', '.join(offered)} were offered, {', '.join(taken)} answered."
        )
        yield state(Code.NO_COMMON_CODEC, text, [offer, answer], Severity.PROBLEM)


def refused_codecs(leg: Leg, _: Known) -> Iterator[Statement]:
    """What had been offered to somebody who answered 488 or 606."""
    hops = [*leg.initial, *leg.changes]
    for hop in hops:
        refusal = hop.refusal
        offer = next((m for m in hop.requests if m.audio), None)
        refused = refusal and refusal.status in (415, 488, 606) and leg.origin(refusal) is refusal
        if refused and refusal and offer and _codecs(offer):
            text = f"{refusal.dst} had offered {refusal.src} these codecs: "
            text += f"{', '.join(_codecs(offer))}; none of them may be possible there."
            yield state(
                *(Code.CODECS_REFUSED, text, [offer, refusal]),
                *(Severity.NOTICE, Certainty.LIKELY),
            )


def agreed(leg: Leg, _: Known) -> Iterator[Statement]:
    """The codec that the answer prefers, and where the audio goes."""
    both = described(leg)
    if leg.answer and len(both) == 2:
        ends = [f"{d.side} at {d.sent.media_ip}:{d.sent.audio.port}" for d in both if d.sent.audio]
        taken = _codecs(both[1].sent)
        if taken and all(d.sent.media_ip for d in both):
            text = f"Audio: {taken[0]} between {' and '.join(ends)}."
            yield state(Code.AUDIO, text, [leg.answer, both[0].sent, both[1].sent])


def offerless(leg: Leg, _: Known) -> Iterator[Statement]:
    """An INVITE without SDP whose ACK has none either: nobody can hear anything (§13.2.1)."""
    answer = leg.answer
    if not answer or not leg.last or not answer.audio:
        return
    request = leg.last.request
    acks = _acks(leg)
    if request.is_request and not request.body and acks and not any(m.body for m in acks):
        text = f"{side(leg, request)} sent no SDP, neither in the INVITE nor in the ACK: it did "
        yield state(
            *(Code.NO_ANSWER_SDP, f"{text}not say where its audio goes.", [request, *acks[:1]]),
            Severity.PROBLEM,
        )


def _acks(leg: Leg) -> list[Message]:
    """ACKs to the answer."""
    known = (leg.answer.cseq, leg.answer.to_tag) if leg.answer else None
    return [ack for ack in leg.acks if (ack.cseq, ack.to_tag) == known]


def _codecs(message: Message) -> list[str]:
    names = message.audio.codecs if message.audio else b""
    return [codec.decode("latin-1") for codec in names.split(b",") if codec]


RULES = (
    *(agreed, relayed, nat, private_address, unroutable, other_address, no_audio, one_way),
    *(codecs, refused_codecs, offerless),
)
