# SPDX-License-Identifier: GPL-2.0-or-later
"""A row of ``rtp_stream`` in the units that people read, with a mean opinion score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from collector.correlation import streams
from collector.correlation.columns import STREAM, STREAM_KEY
from collector.correlation.streams import MILLION, THOUSAND
from collector.quality import emodel
from collector.quality.codec import USUAL_CLOCK, Codec
from collector.quality.emodel import Mark
from collector.quality.report import MAX_MS

Row: TypeAlias = Mapping[str, Any]
"""A row of a table by the names of its columns."""

VIEWS: Final = ("local", "remote")
"""Directions of RFC 6035: the end that received. Addresses are those of SIP then."""
SIDES: Final = ("in", "out")
"""Directions of horaclifix: sides of a session border controller."""
_PERCENT: Final = MILLION / 100
_TYPE_VQ: Final = 35


class Source(StrEnum):
    """What kind of sender the figures are from."""

    RTCP = "rtcp"
    """The ends themselves (RFC 3550, RFC 3611)."""
    VQ = "vq"
    """The ends themselves (RFC 6035)."""
    AGENT = "agent"
    """An agent on the way that looked at RTP: rtpagent, horaclifix, Kamailio."""


class Way(StrEnum):
    """Which way a stream goes."""

    TO_CALLEE = "to_callee"
    TO_CALLER = "to_caller"


class Figure(NamedTuple):
    """Mean and worst of what was reported."""

    mean: float
    worst: float


class Score(NamedTuple):
    """Mean opinion scores computed by the E-model."""

    mean: float
    """Of the means of the figures."""
    worst: float
    """Of the worst report."""
    marks: frozenset[Mark]
    """What stands behind them beside what was measured."""


class Stream(NamedTuple):
    """One RTP stream as one source tells of it; None where nobody reported a figure."""

    source: Source
    ssrc: int | None
    src_ip: str | None
    src_port: int
    dst_ip: str | None
    dst_port: int
    direction: str | None
    """As in ``rtcp_report``: whose view, or which side."""
    first_at: datetime
    last_at: datetime
    reports: int
    """Of how it was received. 0: only its sender reported, how much it has sent."""
    faults: int
    """Reports with a value that cannot be; it is left out."""
    packets: int | None
    packets_lost: int | None
    loss_percent: Figure | None
    discard_percent: Figure | None
    """Dropped by the jitter buffer of the receiver."""
    jitter_ms: Figure | None
    rtt_ms: Figure | None
    delay_ms: Figure | None
    """One-way, from sources that give it."""
    mos_reported: Figure | None
    """By the source itself."""
    mos_computed: Score | None
    """None when no loss was reported."""
    way: Way | None = None
    """None when neither end is one of the call's."""


def merge_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One row for each stream: it has a second one when it was reported before its call was known.

    ``ts`` is that of the first one that comes.
    """
    merged: dict[tuple[Any, ...], tuple[Row, streams.Stream]] = {}
    for row in rows:
        key = tuple(row[column.name] for column in STREAM_KEY)
        slots = [
            row[group.columns[0].name]
            if len(group.columns) == 1 or row[group.columns[0].name] is None
            else tuple(row[column.name] for column in group.columns)
            for group in STREAM
        ]
        first, have = merged.get(key, (row, None))
        merged[key] = first, streams.merge(have, slots)
    return [{**row, **columns_of(slots)} for row, slots in merged.values()]


def columns_of(slots: streams.Stream) -> dict[str, Any]:
    """What is merged of a stream, by the names of its columns."""
    found: dict[str, Any] = {}
    for group, value in zip(STREAM, slots, strict=True):
        values = value if isinstance(value, tuple) else (value,) * len(group.columns)
        found.update(zip((column.name for column in group.columns), values, strict=True))
    return found


def read(row: Row, used: Codec) -> Stream:
    """The stream of a row; ``used`` is the codec that its call is taken to use."""
    marks: set[Mark] = set()
    source = _source(row)
    packets, lost = row["packets"], row["packets_lost"]
    loss, discard = _figure(row, "loss", _PERCENT), _figure(row, "discard", _PERCENT)
    if loss and source is Source.RTCP and packets and lost is not None and lost <= packets:
        # Both are from the beginning on, while the fraction of a report is cut to 1/256, and
        # some senders always write 0 there.
        mean = 100 * lost / packets
        loss = Figure(mean, max(mean, loss.worst))
    jitter, ticks = _figure(row, "jitter_us", THOUSAND), _figure(row, "jitter_ticks", 1)
    if jitter is None and ticks is not None:
        jitter = Figure(*(_milliseconds(value, used, marks) for value in ticks))
    rtt, delay = _figure(row, "rtt_us", THOUSAND), _figure(row, "delay_us", THOUSAND)
    score = None
    if loss:
        gone = loss.mean + (discard.mean if discard else 0)
        late = delay.mean if delay else rtt.mean / 2 if rtt else None
        score_of_means = emodel.estimate(
            loss=gone / 100,
            delay_ms=late,
            jitter_ms=jitter.mean if jitter else None,
            codec=used,
        )
        marks |= score_of_means.marks
        worst = min(score_of_means.mos, _worst(row, used, marks))
        score = Score(score_of_means.mos, worst, frozenset(marks))
    return Stream(
        source=source,
        ssrc=row["ssrc"],
        src_ip=_text(row["src_ip"]),
        src_port=row["src_port"],
        dst_ip=_text(row["dst_ip"]),
        dst_port=row["dst_port"],
        direction=row["direction"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        reports=row["reports"],
        faults=row["faults"],
        packets=packets,
        packets_lost=lost,
        loss_percent=loss,
        discard_percent=discard,
        jitter_ms=jitter,
        rtt_ms=rtt,
        delay_ms=delay,
        mos_reported=_reported(row),
        mos_computed=score,
    )


def _worst(row: Row, used: Codec, marks: set[Mark]) -> float:
    """MOS of the worst report."""
    jitter, late = row["worst_jitter_us"], row["worst_delay_us"]
    if jitter is not None:
        jitter /= THOUSAND
    elif row["worst_jitter_ticks"] is not None:
        jitter = _milliseconds(row["worst_jitter_ticks"], used, marks)
    found = emodel.estimate(
        loss=row["worst_loss"] / MILLION,
        delay_ms=None if late is None else late / THOUSAND,
        jitter_ms=jitter,
        codec=used,
    )
    marks |= found.marks
    return found.mos


def _reported(row: Row) -> Figure | None:
    if not row["mos_reports"]:
        return None
    mean = row["mos_sum"] / row["mos_reports"] / THOUSAND
    return Figure(mean, row["mos_min"] / THOUSAND)


def _figure(row: Row, name: str, divisor: float) -> Figure | None:
    reports = row[f"{name}_reports"]
    if not reports:
        return None
    return Figure(row[f"{name}_sum"] / reports / divisor, row[f"{name}_max"] / divisor)


def _milliseconds(ticks: float, used: Codec, marks: set[Mark]) -> float:
    """A jitter in RTP timestamp units (RFC 3550 §6.4.1)."""
    if used.clock is None:
        marks.add(Mark.CLOCK)
    milliseconds = ticks * THOUSAND / (used.clock or USUAL_CLOCK)
    if milliseconds > MAX_MS:
        marks.add(Mark.CLAMPED)
    return min(milliseconds, MAX_MS)


def _source(row: Row) -> Source:
    """By what the rows have: agents do not agree on HEP types."""
    if row["direction"] in VIEWS or (row["ssrc"] is None and row["type"] == _TYPE_VQ):
        return Source.VQ
    if row["direction"] in SIDES or row["ssrc"] is None:
        return Source.AGENT
    return Source.RTCP


def _text(address: object) -> str | None:
    return None if address is None else str(address)
