# SPDX-License-Identifier: GPL-2.0-or-later
"""What quality reports say about the RTP streams of calls.

A stream is a list with one slot for each group of ``columns.STREAM``, as in ``leg``.

An RTCP packet tells of streams in both directions: it says how much its sender has sent, and how
each stream in its report blocks was received there (RFC 3550 §6.4). So a stream's row has what
both of its ends say. Other sources tell of streams that pass them, or that their end received; the
addresses are those of the HEP packet then.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from collector.copy_binary import NULL, inet
from collector.correlation.columns import STREAM, Rule, slots
from collector.correlation.fact import ReportFact
from collector.hep import Hep
from collector.quality import emodel
from collector.quality.codec import CODECS, USUAL_CLOCK
from collector.quality.report import Report

Stream: TypeAlias = list[Any]

MILLION: Final = 1_000_000
"""Fractions are in millionths, …"""
THOUSAND: Final = 1000
"""… times in µs and MOS in thousandths, so that sums are exact."""

_SLOT: Final = slots(STREAM)
_RULES: Final = tuple(group.rule for group in STREAM)
_KEYS: Final = tuple(group.keys for group in STREAM)
_NOTHING: Final = [0 if group.rule is Rule.SUM else None for group in STREAM]
FIRST_AT, LAST_AT = _SLOT["first_at"], _SLOT["last_at"]
REPORTS, _FAULTS = _SLOT["reports"], _SLOT["faults"]
_PACKETS, _PACKETS_LOST = _SLOT["packets"], _SLOT["packets_lost"]
_MOS, _WORST = _SLOT["mos_reports"], _SLOT["worst"]
_LOSS, _DISCARD = _SLOT["loss_reports"], _SLOT["discard_reports"]
_TICKS, _JITTER = _SLOT["jitter_ticks_reports"], _SLOT["jitter_us_reports"]
_RTT, _DELAY = _SLOT["rtt_us_reports"], _SLOT["delay_us_reports"]
"""The first of the three slots of what is measured: reports, sum, extreme."""

_USUAL: Final = CODECS["PCMA"]


class StreamKey(NamedTuple):
    """What tells streams apart: ``columns.STREAM_KEY``."""

    call_id: bytes
    type: int
    ssrc: int | None
    src_port: int
    dst_port: int
    src_ip: bytes
    dst_ip: bytes
    direction: bytes


def add(streams: dict[StreamKey, Stream], fact: ReportFact) -> None:
    """Take one packet of reports into account."""
    for report in fact.reports:
        if is_rtcp(report):
            if report.packets is not None or report.source_ssrc is None:
                sent = _nothing(fact)
                sent[_PACKETS] = report.packets
                if report.source_ssrc is None and report.fault:
                    sent[_FAULTS] = 1
                _put(streams, _sent(fact, report), sent)
            if report.source_ssrc is not None:
                _put(streams, _received(fact, report), _measured(fact, report))
        else:
            seen = _measured(fact, report)
            seen[_PACKETS] = report.packets
            _put(streams, _seen(fact, report), seen)


def is_rtcp(report: Report) -> bool:
    """Whether it is from RTCP: told by what it says, because agents do not agree on types."""
    return report.direction is None and not report.ssrc is report.source_ssrc is None


def merge(have: Stream | None, new: Stream) -> Stream:
    """One stream of two, by the rules of the columns; either may be changed."""
    if have is None:
        return new
    for slot, (rule, value) in enumerate(zip(_RULES, new, strict=True)):
        if value is None:
            continue
        known = have[slot]
        if rule is Rule.SUM:
            have[slot] = known + value
        elif known is None or _replaces(rule, _KEYS[slot], known, value):
            have[slot] = value
    return have


def _replaces(rule: Rule, keys: int, known: Any, value: Any) -> bool:
    if rule is Rule.FIRST:
        return bool(value[:keys] < known[:keys])
    return bool(value < known) if rule is Rule.MIN else bool(value > known)


def _put(streams: dict[StreamKey, Stream], key: StreamKey, new: Stream) -> None:
    streams[key] = merge(streams.get(key), new)


def _sent(fact: ReportFact, report: Report) -> StreamKey:
    """The stream of the one who reports."""
    return _key(fact.call_id, fact.packet, report.ssrc, b"")


def _received(fact: ReportFact, report: Report) -> StreamKey:
    """The stream that the one who reports receives: it comes the other way."""
    packet = fact.packet
    return StreamKey(
        *(fact.call_id, packet.type, report.source_ssrc, packet.dst_port, packet.src_port),
        *(_known(packet.dst_ip), _known(packet.src_ip), b""),
    )


def _seen(fact: ReportFact, report: Report) -> StreamKey:
    """The stream that passes the one who reports, or that the end of ``direction`` receives."""
    return _key(
        fact.call_id, fact.packet, report.source_ssrc, (report.direction or "").encode("ascii")
    )


def _key(call_id: bytes, packet: Hep, ssrc: int | None, direction: bytes) -> StreamKey:
    return StreamKey(
        *(call_id, packet.type, ssrc, packet.src_port, packet.dst_port),
        *(_known(packet.src_ip), _known(packet.dst_ip), direction),
    )


def _known(address: bytes) -> bytes:
    """The address, or ``b""`` for all that is null in its column: that is one key."""
    return b"" if inet(address) is NULL else address


def _nothing(fact: ReportFact) -> Stream:
    stream = _NOTHING.copy()
    stream[FIRST_AT] = stream[LAST_AT] = fact.ts
    return stream


def _measured(fact: ReportFact, report: Report) -> Stream:
    """How one report says that a stream was received."""
    stream = _nothing(fact)
    stream[REPORTS] = 1
    stream[_FAULTS] = int(report.fault is not None)
    stream[_PACKETS_LOST] = report.packets_lost
    loss, discard = report.fraction_lost, report.fraction_discarded
    delay_ms = report.latency_ms
    if delay_ms is None and report.rtt_ms is not None:
        delay_ms = report.rtt_ms / 2
    _count(stream, _LOSS, _whole(loss, MILLION))
    _count(stream, _DISCARD, _whole(discard, MILLION))
    _count(stream, _TICKS, report.jitter)
    _count(stream, _JITTER, _whole(report.jitter_ms, THOUSAND))
    _count(stream, _RTT, _whole(report.rtt_ms, THOUSAND))
    _count(stream, _DELAY, _whole(report.latency_ms, THOUSAND))
    _count(stream, _MOS, _whole(report.mos_cq if report.mos is None else report.mos, THOUSAND))
    if report.max_jitter_ms is not None:
        largest = _whole(report.max_jitter_ms, THOUSAND)
        stream[_JITTER + 2] = max(largest or 0, stream[_JITTER + 2] or 0)
    if loss is not None:
        gone = min(loss + (discard or 0), 1)
        ticks = report.jitter
        jitter_ms = report.jitter_ms
        if jitter_ms is None and ticks is not None:
            jitter_ms = ticks * THOUSAND / USUAL_CLOCK
        found = emodel.estimate(loss=gone, delay_ms=delay_ms, jitter_ms=jitter_ms, codec=_USUAL)
        stream[_WORST] = (
            *(round(found.r_factor * 100), fact.ts, fact.record_id, _whole(gone, MILLION)),
            *(ticks, _whole(report.jitter_ms, THOUSAND), _whole(delay_ms, THOUSAND)),
        )
    return stream


def _whole(value: float | None, units: int) -> int | None:
    return None if value is None else round(value * units)


def _count(stream: Stream, slot: int, value: int | None) -> None:
    if value is not None:
        stream[slot : slot + 3] = (1, value, value)
