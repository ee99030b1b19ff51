# SPDX-License-Identifier: GPL-2.0-or-later
"""How streams went over time, out of rows of the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from collector.correlation.columns import STREAM, STREAM_KEY, flat
from collector.quality.course import Course, courses
from collector.quality.report import Report

START = datetime(2026, 1, 1, tzinfo=UTC)
ALICE, BOB = ip_address("192.0.2.1"), ip_address("2001:db8::2")


def _stream(**values: Any) -> dict[str, Any]:
    """A row of ``rtp_stream`` from bob to alice."""
    counts = {column.name: 0 for column in flat(STREAM) if column.name.endswith("_reports")}
    row = {column.name: None for column in (*STREAM_KEY, *flat(STREAM))} | counts
    return row | {
        "call_id": "c",
        "type": 5,
        "ssrc": 7,
        "src_ip": BOB,
        "dst_ip": ALICE,
        "src_port": 20,
        "dst_port": 10,
        "first_at": START,
        "last_at": START,
        "reports": 1,
        "faults": 0,
        **values,
    }


def _report(after_s: float, **values: Any) -> dict[str, Any]:
    """A row of ``rtcp_report``: alice tells bob how she hears him."""
    row: dict[str, Any] = dict.fromkeys(Report._fields) | {"fraction_lost": 0.0, "ssrc": 1}
    return row | {
        "ts": START + timedelta(seconds=after_s),
        "id": round(after_s * 1e9),
        "call_id": "c",
        "type": 5,
        "source_ssrc": 7,
        "src_ip": ALICE,
        "dst_ip": BOB,
        "src_port": 10,
        "dst_port": 20,
        **values,
    }


def _course(reports: list[dict[str, Any]], **values: Any) -> Course:
    (found,) = courses([_stream(**values)], reports, {})
    return found


def test_reports_are_of_the_stream_that_comes_the_other_way() -> None:
    """Alice's report tells of what bob sends; bob's own says nothing of it."""
    bobs = _report(1, src_ip=BOB, dst_ip=ALICE, src_port=20, dst_port=10, ssrc=7, source_ssrc=1)
    found = _course([_report(0, fraction_lost=0.5), bobs])
    assert [point.loss_percent for point in found.points] == [50]
    assert found.points[0].at == START


def test_what_nobody_reported_is_not_zero() -> None:
    """A receiver report has no round trip, and perhaps no jitter."""
    (point,) = _course([_report(0, fraction_lost=None)]).points
    assert (point.loss_percent, point.jitter_ms, point.rtt_ms, point.mos) == (None,) * 4


def test_a_point_has_the_loss_of_its_time() -> None:
    """Not that from the beginning on, which the stream as a whole is told by."""
    reports = [_report(after, packets_lost=100) for after in (0, 5)]
    found = _course(reports, packets=200, packets_lost=100)
    assert [point.loss_percent for point in found.points] == [0, 0]


def test_a_score_that_was_reported_comes_first() -> None:
    """As in the summary."""
    (point,) = _course([_report(0, mos=2.5)]).points
    assert point.mos == 2.5


def test_without_reports_there_are_no_points() -> None:
    """They go before the stream's row does."""
    assert _course([]).points == ()
    assert courses([], [_report(0)], {}) == []


def test_directions_are_told_apart() -> None:
    """Views of one end (RFC 6035) have the same addresses."""
    views = [_report(0, type=35, source_ssrc=None, ssrc=None, direction=d) for d in ("local",)]
    key = {"type": 35, "ssrc": None, "src_ip": ALICE, "dst_ip": BOB, "src_port": 10, "dst_port": 20}
    found = courses([_stream(**key, direction=d) for d in ("local", "remote")], views, {})
    assert [len(course.points) for course in found] == [1, 0]
