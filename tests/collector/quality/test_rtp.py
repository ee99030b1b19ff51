# SPDX-License-Identifier: GPL-2.0-or-later
"""What rtpagent and horaclifix say."""

from __future__ import annotations

import pytest

from collector import quality
from collector.quality import Report
from collector.quality.report import ReportFault
from tests.quality_json import HORACLIFIX, RTPAGENT


def test_rtpagent() -> None:
    """Times in ms; the fraction lost is of the packets expected."""
    assert quality.parse(RTPAGENT) == [
        Report(
            packets=1512,
            octets=241_920,
            packets_lost=88,
            fraction_lost=0.055,
            jitter_ms=0.017,
            max_jitter_ms=0.010,
            delta_ms=19.983,
            mos=4.032,
            r_factor=80.2,
        )
    ]


def test_horaclifix_has_a_row_for_each_direction() -> None:
    """MOS and R-value in hundredths; a MOS of 0 cannot be."""
    inward, outward = quality.parse(HORACLIFIX)
    assert inward == Report(
        packets=4950,
        octets=800_000,
        packets_lost=50,
        fraction_lost=0.01,
        jitter_ms=8,
        max_jitter_ms=22,
        latency_ms=30,
        mos=4.2,
        r_factor=85,
        direction="in",
    )
    assert outward == Report(
        packets=5000,
        octets=790_000,
        packets_lost=0,
        fraction_lost=0,
        jitter_ms=9,
        max_jitter_ms=25,
        latency_ms=32,
        r_factor=83,
        direction="out",
        fault=ReportFault.VALUE,
    )


def test_horaclifix_without_rtp_figures() -> None:
    """What RTCP said of the stream, then; and only the direction that is there."""
    text = b'{"NAME":"s","OUT_RTCP_PK":50,"OUT_RTCP_PK_LOSS":1,"OUT_RTCP_AVG_JITTER":6}'
    (report,) = quality.parse(text)
    assert (report.packets, report.packets_lost, report.jitter_ms) == (50, 1, 6)
    assert (report.direction, report.fault) == ("out", None)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (b'{"MEAN_MOS":4.1}', "mos", 4.1),
        (b'{"MOS":410}', "mos", 4.1),
        (b'{"MOS":"4.1"}', "mos", 4.1),
        (b'{"MOS":5.5,"JITTER":1}', "mos", None),
        (b'{"MOS":-1,"JITTER":1}', "mos", None),
        (b'{"MEAN_JITTER":3}', "jitter_ms", 3),
        (b'{"JITTER":70000}', "jitter_ms", None),
        (b'{"PACKET_LOSS":5,"EXPECTED_PK":0}', "fraction_lost", None),
        (b'{"PACKET_LOSS":9,"EXPECTED_PK":5}', "fraction_lost", None),
    ],
)
def test_single_members(text: bytes, name: str, value: float | None) -> None:
    """Each alone is a report."""
    (report,) = quality.parse(text)
    assert getattr(report, name) == value


@pytest.mark.parametrize("text", [b"{}", b'{"NAME":"x"}', b'{"mos":4}', b'{"INC_REALM":"a"}'])
def test_objects_of_another_kind(text: bytes) -> None:
    """No figure, no report."""
    assert quality.parse(text) == []
