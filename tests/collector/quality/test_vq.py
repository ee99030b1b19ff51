# SPDX-License-Identifier: GPL-2.0-or-later
"""Voice quality as text."""

from __future__ import annotations

import pytest

from collector import quality
from collector.quality import Report
from collector.quality.report import ReportFault
from tests.quality_json import VQ_SESSION_REPORT, VQ_TOKENS

LOCAL_SSRC, REMOTE_SSRC = 4_209_273_062, 0x1A3B5C7D


def test_bare_tokens() -> None:
    """Rates in percent."""
    assert quality.parse(VQ_TOKENS) == [
        Report(fraction_lost=0.005, fraction_discarded=0.0125, jitter_ms=12, mos=4.1, mos_cq=3.9)
    ]


def test_a_session_report_has_a_row_for_each_view() -> None:
    """RFC 6035: local and remote metrics; each SSRC reports about the other."""
    local, remote = quality.parse(VQ_SESSION_REPORT)
    assert local == Report(
        ssrc=LOCAL_SSRC,
        source_ssrc=REMOTE_SSRC,
        fraction_lost=0.05,
        fraction_discarded=0.02,
        jitter_ms=2,
        rtt_ms=200,
        rtt_source="report",
        latency_ms=170,
        end_system_delay_ms=140,
        mos=4.2,
        mos_cq=4.3,
        r_factor=85,
        burst_density=0.25,
        gap_density=0.02,
        burst_ms=120,
        gap_ms=500,
        direction="local",
    )
    assert remote == Report(
        ssrc=REMOTE_SSRC,
        source_ssrc=LOCAL_SSRC,
        fraction_lost=0,
        fraction_discarded=0,
        jitter_ms=1,
        direction="remote",
        fault=ReportFault.VALUE,
    )


def test_within_its_publish() -> None:
    """Whoever captures the request sends all of it."""
    publish = b"PUBLISH sip:collector@example.com SIP/2.0\r\nCall-ID: x\r\nEvent: vq-rtcpxr\r\n\r\n"
    assert quality.parse(publish + VQ_SESSION_REPORT) == quality.parse(VQ_SESSION_REPORT)


@pytest.mark.parametrize(
    ("text", "ssrc"),
    [
        ("SSRC=0x1A", 26),
        ("SSRC=1a", 26),
        ("SSRC=26", 26),
        ("SSRC=0x00000000", None),
        ("SSRC=0", None),
    ],
)
def test_ssrc_in_every_spelling(text: str, ssrc: int | None) -> None:
    """Decimal, hexadecimal with and without 0x; 0 is a placeholder."""
    (report,) = quality.parse(f"LocalAddr:IP=h {text}\nLocalMetrics:\nIAJ=1".encode())
    assert (report.ssrc, report.fault) == (ssrc, None)


def test_one_r_factor_of_two() -> None:
    """Conversational before listening quality."""
    assert quality.parse(b"RLQ=90")[0].r_factor == 90
    assert quality.parse(b"RLQ=90 RCQ=85")[0].r_factor == 85


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(
            (b"NLR=101 IAJ=1", "fraction_lost"),
            (b"IAJ=many", "jitter_ms"),
            (b"RCQ=127", "r_factor"),
        ),
        *((b"MOSLQ=0.0", "mos"), (b"GD=65536", "gap_ms"), (b"RTD=99999", "rtt_ms")),
    ],
)
def test_a_value_that_cannot_be_is_left_out(text: bytes, name: str) -> None:
    """And marked."""
    (report,) = quality.parse(text)
    assert getattr(report, name) is None
    assert report.fault is ReportFault.VALUE


@pytest.mark.parametrize(
    "text",
    [b"", b"XNLR=1", b"NLR", b"NLR=", b"LocalMetrics:", b"a line of a log", b"\xff\xfe", b"["],
)
def test_text_without_figures(text: bytes) -> None:
    """No report."""
    assert quality.parse(text) == []
