# SPDX-License-Identifier: GPL-2.0-or-later
"""RTCP as JSON in the forms of its senders."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collector import quality
from collector.quality import Report
from collector.quality.report import ReportFault
from collector.quality.rtcp import MAX_BLOCKS
from tests.quality_json import (
    ASTERISK_RR,
    ASTERISK_SR,
    CAPTAGENT_SR,
    HEPLIFY_SR,
    HEPLIFY_XR,
    RTPENGINE_SR,
)

BLOCK: dict[str, Any] = {"source_ssrc": 7, "fraction_lost": 64, "packets_lost": 3, "ia_jitter": 9}


def _said(report: Report) -> dict[str, Any]:
    return {name: value for name, value in report._asdict().items() if value is not None}


def test_asterisk_sender_report() -> None:
    """SSRCs with a sign, NTP times and LSR as text."""
    (report,) = quality.parse(ASTERISK_SR)
    assert _said(report) == {
        "packet_type": 200,
        "ssrc": 1_814_766_290,
        "source_ssrc": 2_654_650_687,
        "packets": 252,
        "octets": 40_320,
        "packets_lost": 3,
        "fraction_lost": 0.25,
        "highest_seq": 992,
        "jitter": 44,
        "lsr": 3_373_905_459,
        "dlsr": 65_536,
    }


def test_asterisk_receiver_report() -> None:
    """sender_information is null; an LSR of 0 means that there was no SR."""
    (report,) = quality.parse(ASTERISK_RR)
    assert _said(report) == {
        "packet_type": 201,
        "ssrc": 1_814_766_290,
        "source_ssrc": 7,
        "packets_lost": 0,
        "fraction_lost": 0,
        "highest_seq": 993,
        "jitter": 0,
        "dlsr": 0,
    }


def test_rtpengine_has_a_row_for_each_block() -> None:
    """Both with what the sender says of itself."""
    first, second = quality.parse(RTPENGINE_SR)
    assert (first.ssrc, first.packets, first.octets) == (3_298_104_112, 1500, 240_000)
    assert (first.source_ssrc, first.packets_lost, first.jitter) == (2_954_871, 0, 12)
    assert (second.source_ssrc, second.packets_lost, second.jitter) == (2_954_872, 17, 160)
    assert second._replace(source_ssrc=0)[:5] == first._replace(source_ssrc=0)[:5]
    assert first.fault is second.fault is None


def test_captagent_copies_the_source_description_as_it_is() -> None:
    """A quote in it makes the object invalid from there on; the figures stand before it."""
    (report,) = quality.parse(CAPTAGENT_SR)
    assert (report.ssrc, report.packets, report.source_ssrc) == (10, 500, 20)
    assert (report.packets_lost, report.fault) == (None, ReportFault.VALUE), "-1 without its sign"


def test_heplify_sender_report_without_blocks() -> None:
    """report_blocks is null, the VoIP metrics are all zero."""
    (report,) = quality.parse(HEPLIFY_SR)
    assert _said(report) == {"packet_type": 202, "ssrc": 5, "packets": 10, "octets": 1600}


def test_heplify_extended_report() -> None:
    """A row of its own: its fraction lost is not that of the report block."""
    block, extended = quality.parse(HEPLIFY_XR)
    assert (block.packet_type, block.source_ssrc, block.fraction_lost) == (207, 9, 0.0)
    assert block.packets is None, "zeros in a receiver report are no sender information"
    assert _said(extended) == {
        "packet_type": 207,
        "ssrc": 5,
        "source_ssrc": 9,
        "fraction_lost": 0.5,
        "fraction_discarded": 0.125,
        "burst_density": 0.25,
        "gap_density": 0.0,
        "burst_ms": 120,
        "gap_ms": 65_535,
        "rtt_ms": 48,
        "rtt_source": "report",
        "end_system_delay_ms": 80,
    }


@pytest.mark.parametrize("blocks", ["null", "[]"])
def test_a_report_without_blocks_is_one_row(blocks: str) -> None:
    """Somebody was there."""
    reports = quality.parse(b'{"ssrc":5,"type":201,"report_blocks":%b}' % blocks.encode())
    assert reports == [Report(201, 5)]


def test_numbers_as_text() -> None:
    """Every one of them."""
    text = b'{"ssrc":"5","type":"201","report_blocks":[{"source_ssrc":"7","ia_jitter":"9"}]}'
    assert quality.parse(text) == [Report(201, 5, 7, jitter=9)]


def test_one_block_that_is_no_array() -> None:
    """As good as an array of one."""
    assert quality.parse(b'{"ssrc":5,"report_blocks":{"source_ssrc":7}}') == [Report(None, 5, 7)]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("fraction_lost", 256), ("fraction_lost", -1), ("packets_lost", 2**24 - 1)),
        *(("packets_lost", 4_294_967_295), ("ia_jitter", 4_294_967_295), ("ia_jitter", 10**8)),
        *(("source_ssrc", -1), ("dlsr", "soon"), ("highest_seq_no", 2**32 - 1), ("lsr", [])),
    ],
)
def test_a_value_that_cannot_be_is_left_out(member: str, value: Any) -> None:
    """The others stay, and the row says so."""
    (report,) = quality.parse(_json(ssrc=5, report_blocks=[BLOCK | {member: value}]))
    name = {"ia_jitter": "jitter", "highest_seq_no": "highest_seq"}.get(member, member)
    assert getattr(report, name) is None
    assert report.fault is ReportFault.VALUE
    assert report.ssrc == 5


@pytest.mark.parametrize(
    "members",
    [
        *({"type": 5}, {"type": "SR"}, {"sender_information": []}, {"report_blocks": 7}),
        *({"report_blocks": [BLOCK, 7]}, {"sender_information": {"packets": -1}}),
        {"report_blocks_xr": "x", "report_blocks": []},
    ],
)
def test_a_member_that_cannot_be_is_marked(members: dict[str, Any]) -> None:
    """In every row of the packet."""
    reports = quality.parse(_json(ssrc=5, **members))
    assert reports
    assert {report.fault for report in reports} == {ReportFault.VALUE}


def test_more_blocks_than_rtcp_has_are_left_out() -> None:
    """Five bits count them."""
    reports = quality.parse(_json(report_blocks=[BLOCK] * (MAX_BLOCKS + 1)))
    assert len(reports) == MAX_BLOCKS
    assert reports[0].fault is ReportFault.VALUE
    reports = quality.parse(_json(report_blocks=[BLOCK] * MAX_BLOCKS))
    assert reports[-1].fault is None


def _json(**members: Any) -> bytes:
    return orjson.dumps(members)
