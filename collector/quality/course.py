# SPDX-License-Identifier: GPL-2.0-or-later
"""How the quality of RTP streams went over time: what single reports say, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from collector.correlation import streams
from collector.correlation.columns import STREAM_KEY
from collector.correlation.fact import ReportFact
from collector.correlation.streams import StreamKey
from collector.hep import PROTOCOL_UDP, Hep
from collector.moment import from_us, to_us
from collector.quality.codec import Codec
from collector.quality.report import Report
from collector.quality.stream import Figure, Row, Stream, columns_of, read
from collector.quality.verdict import assign

MAX_POINTS: Final = 120
"""Of one stream: reports that come closer together than that are merged as those of a stream."""
_LEAST_STEP: Final = timedelta(seconds=1)
_HEP_VERSION: Final = 3


class Point(NamedTuple):
    """What one report says of a stream, or several that came together."""

    at: datetime
    """When the first of them was captured."""
    reports: int
    loss_percent: float | None
    """Since the report before."""
    jitter_ms: float | None
    rtt_ms: float | None
    mos: float | None
    """As reported, else as computed."""


class Course(NamedTuple):
    """A stream of a leg, and how it went."""

    call_id: str
    stream: Stream
    points: tuple[Point, ...]
    """In the order of time. Empty when its reports came without the Call-ID, or are gone."""


def courses(rows: Iterable[Row], reports: Sequence[Row], calls: Mapping[str, Row]) -> list[Course]:
    """The streams of several legs.

    ``rows`` are those of ``rtp_stream``, ``reports`` those of ``rtcp_report`` in the order of time,
    ``calls`` those of ``call`` by Call-ID.
    """
    by_leg: dict[str, list[Row]] = {}
    for row in rows:
        by_leg.setdefault(row["call_id"], []).append(row)
    steps = _steps(reports)
    found = []
    for call_id, listed in by_leg.items():
        assigned = assign(listed, calls.get(call_id))
        found += [
            Course(call_id, stream, _points(row, steps, assigned.used))
            for row, stream in assigned.streams
        ]
    return sorted(found, key=lambda course: course.stream.first_at)


def _steps(reports: Sequence[Row]) -> list[dict[StreamKey, streams.Stream]]:
    """What the reports of each step of time say, in its order."""
    if not reports:
        return []
    first = reports[0]["ts"]
    step = max((reports[-1]["ts"] - first) / MAX_POINTS, _LEAST_STEP)
    found: dict[int, dict[StreamKey, streams.Stream]] = {}
    for report in reports:
        streams.add(found.setdefault((report["ts"] - first) // step, {}), _fact(report))
    return [found[number] for number in sorted(found)]


def _points(
    row: Row, steps: Iterable[Mapping[StreamKey, streams.Stream]], used: Codec
) -> tuple[Point, ...]:
    key = _key(row)
    said = [slots for step in steps if (slots := step.get(key))]
    return tuple(_point(row, slots, used) for slots in said if slots[streams.REPORTS])


def _point(row: Row, slots: streams.Stream, used: Codec) -> Point:
    # What was lost from the beginning on says nothing of this step.
    seen = read({**row, **columns_of(slots), "packets_lost": None}, used)
    mos = seen.mos_reported or seen.mos_computed
    return Point(
        from_us(slots[streams.FIRST_AT]),
        seen.reports,
        _mean(seen.loss_percent),
        _mean(seen.jitter_ms),
        _mean(seen.rtt_ms),
        mos.mean if mos else None,
    )


def _mean(figure: Figure | None) -> float | None:
    return figure.mean if figure else None


def _fact(row: Row) -> ReportFact:
    """A row of ``rtcp_report`` as correlation got it."""
    key = _key(row)
    packet = Hep(
        *(_HEP_VERSION, PROTOCOL_UDP, key.src_ip, key.dst_ip, key.src_port, key.dst_port),
        *(0, 0, key.type, 0, b""),
    )
    report = Report(*(row[name] for name in Report._fields))
    return ReportFact(to_us(row["ts"]), row["id"], key.call_id, packet, [report])


def _key(row: Row) -> StreamKey:
    """What tells it apart, of a row of either table."""
    values = {column.name: row[column.name] for column in STREAM_KEY}
    for name in ("src_ip", "dst_ip"):
        values[name] = values[name].packed if values[name] is not None else b""
    for name in ("call_id", "direction"):
        values[name] = (values[name] or "").encode()
    return StreamKey(**values)
