# SPDX-License-Identifier: GPL-2.0-or-later
"""RTCP as heplify's JSON, against packets built by hand, the collector and tshark."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.message.rtcp import is_rtcp, to_json
from collector import quality
from collector.quality.rtcp import MAX_BLOCKS
from tests import rtcp_bytes as build
from tests import tshark, udp_file
from tests.quality_json import HEPLIFY_SR, HEPLIFY_XR

FIGURES = (3_904_502_144, 2_147_483_648, 160_000, 1500, 240_000)
SENDER_KEYS = ("ntp_timestamp_sec", "ntp_timestamp_usec", "rtp_timestamp", "packets", "octets")
BLOCK_KEYS = (
    *("source_ssrc", "fraction_lost", "packets_lost", "highest_seq_no", "ia_jitter"),
    *("lsr", "dlsr"),
)
METRICS_KEYS = (
    *("id", "fraction_lost", "fraction_discard", "burst_density", "gap_density"),
    *("burst_duration", "gap_duration", "round_trip_delay", "end_system_delay"),
)


def _read(payload: bytes) -> dict[str, Any]:
    text = to_json(payload)
    assert text is not None
    document: dict[str, Any] = orjson.loads(text)
    return document


def _shape(value: Any) -> Any:
    """Keys in their order and the kinds of values."""
    if isinstance(value, dict):
        return [(key, _shape(item)) for key, item in value.items()]
    return [_shape(item) for item in value] if isinstance(value, list) else type(value)


def test_keys_and_types_are_those_of_heplify() -> None:
    """In the same order, too."""
    without = build.sender_report(5, FIGURES) + build.description(5)
    assert _shape(_read(without)) == _shape(orjson.loads(HEPLIFY_SR))
    extended = build.receiver_report(5, build.block()) + build.extended_report(
        5, build.voip_metrics()
    )
    assert _shape(_read(extended)) == _shape(orjson.loads(HEPLIFY_XR))


def test_a_compound_packet_is_folded_into_one_object() -> None:
    """Type and count are those of its last packet."""
    document = _read(build.sender_report(5, FIGURES, build.block()) + build.description(6))
    assert document["sender_information"] == dict(zip(SENDER_KEYS, FIGURES, strict=True))
    assert document["report_blocks"] == [dict(zip(BLOCK_KEYS, build.BLOCK, strict=True))]
    assert (document["ssrc"], document["sdes_ssrc"]) == (5, 6)
    assert (document["type"], document["report_count"]) == (202, 1)


def test_the_ntp_fraction_stays_a_fraction() -> None:
    """Half a second is 2**31, although the key says µs."""
    document = _read(build.sender_report(5, FIGURES))
    assert document["sender_information"]["ntp_timestamp_usec"] == 1 << 31


def test_more_than_four_report_blocks() -> None:
    """heplify refuses the whole packet."""
    blocks = [(number, *build.BLOCK[1:]) for number in range(31)]
    document = _read(build.receiver_report(5, *(build.block(values) for values in blocks)))
    assert [block["source_ssrc"] for block in document["report_blocks"]] == [*range(31)]
    assert document["report_count"] == 31


def test_blocks_of_several_reports_are_joined() -> None:
    """More sources than one packet can name are in two (RFC 3550 §6.1)."""
    first, second = ((number, *build.BLOCK[1:]) for number in (1, 2))
    document = _read(
        build.sender_report(5, FIGURES, build.block(first))
        + build.receiver_report(5, build.block(second))
    )
    assert [block["source_ssrc"] for block in document["report_blocks"]] == [1, 2]


def test_extended_report_first() -> None:
    """heplify's filter does not capture it."""
    payload = build.extended_report(5, build.voip_metrics()) + build.receiver_report(
        5, build.block()
    )
    assert is_rtcp(payload)
    document = _read(payload)
    expected = dict(zip(METRICS_KEYS, build.METRICS, strict=True))
    assert document["report_blocks_xr"] == {"type": 7, **expected}
    assert document["report_blocks"]


def test_other_blocks_of_an_extended_report_are_passed_over() -> None:
    """heplify reads the first block only, whatever it is."""
    blocks = build.reference_time() + build.voip_metrics() + build.reference_time()
    assert _read(build.extended_report(5, blocks))["report_blocks_xr"]["id"] == build.METRICS[0]
    document = _read(
        build.receiver_report(5, build.block()) + build.extended_report(6, build.reference_time())
    )
    assert document["report_blocks_xr"]["type"] == 0
    assert (document["ssrc"], document["type"]) == (5, 201)


def test_goodbye_and_application_are_passed_over() -> None:
    """Alone they hold no report."""
    rest = build.goodbye(9) + build.application(9) + build.packet(205, 1, bytes(8))
    document = _read(build.sender_report(5, FIGURES) + rest)
    assert (document["ssrc"], document["type"]) == (5, 200)
    assert to_json(rest + build.description(9)) is None


def test_a_negative_loss_is_no_loss() -> None:
    """Duplicates: heplify writes 16,777,215 for -1."""
    values = (1, 0, -1, *build.BLOCK[3:])
    (block,) = _read(build.receiver_report(5, build.block(values)))["report_blocks"]
    assert block["packets_lost"] == 0


def test_padding_is_no_report() -> None:
    """RFC 3550 §6.4.1: its last byte says how long it is."""
    padded = bytearray(build.receiver_report(5, build.block()) + b"\0\0\0\4")
    padded[0] |= 0x20
    padded[3] += 1
    assert len(_read(bytes(padded))["report_blocks"]) == 1
    for wrong in (0, 255):
        padded[-1] = wrong
        assert to_json(bytes(padded)) is None


def test_the_collector_understands_it() -> None:
    """Every figure arrives."""
    payload = (
        build.sender_report(5, FIGURES, build.block())
        + build.extended_report(5, build.voip_metrics())
        + build.description(5)
    )
    text = to_json(payload)
    assert text is not None
    report, extended = quality.parse(text)
    assert (report.ssrc, report.packets, report.octets) == (5, 1500, 240_000)
    assert (report.source_ssrc, report.fraction_lost) == (build.BLOCK[0], 12 / 256)
    assert (report.packets_lost, report.highest_seq, report.jitter) == (34, 0x00010203, 55)
    assert (report.lsr, report.dlsr, report.fault) == (0x11223344, 0x55667788, None)
    assert (extended.source_ssrc, extended.fraction_lost) == (build.METRICS[0], 0.5)
    assert (extended.fraction_discarded, extended.rtt_ms) == (0.125, 48)
    assert (extended.burst_density, extended.gap_density) == (0.25, 0.0625)
    assert (extended.burst_ms, extended.gap_ms) == (120, 4000)
    assert (extended.end_system_delay_ms, extended.fault) == (80, None)


def test_the_collector_understands_as_many_blocks_as_there_can_be() -> None:
    """RFC 3550 has 5 bits for their number."""
    text = to_json(build.receiver_report(5, *[build.block()] * MAX_BLOCKS))
    assert text is not None
    reports = quality.parse(text)
    assert len(reports) == MAX_BLOCKS
    assert {report.fault for report in reports} == {None}


@pytest.mark.parametrize("tag", [14, 18, 20], ids=["80-bit tag", "with MKI", "AEAD"])
@pytest.mark.parametrize("with_description", [True, False])
def test_srtcp_is_never_taken_for_figures(tag: int, with_description: bool) -> None:
    """RFC 3711 §3.4: all behind the first SSRC is encrypted, an index and a tag follow."""
    source = random.Random(tag)
    plain = build.sender_report(5, FIGURES, build.block())
    plain += build.description(5) if with_description else b""
    for _ in range(2000):
        assert to_json(plain[:8] + source.randbytes(len(plain) - 8 + tag)) is None


u32 = st.integers(0, 2**32 - 1)
u8 = st.integers(0, 255)
u16 = st.integers(0, 2**16 - 1)
BLOCKS = st.lists(st.tuples(u32, u8, st.integers(0, 2**23 - 1), u32, u32, u32, u32), max_size=31)


@given(
    ssrc=u32,
    figures=st.none() | st.tuples(u32, u32, u32, u32, u32),
    blocks=BLOCKS,
    metrics=st.none() | st.tuples(u32, u8, u8, u8, u8, u16, u16, u16, u16),
    name=st.none() | st.binary(max_size=255),
    rest=st.lists(st.sampled_from([build.goodbye(1), build.application(1)]), max_size=2),
)
def test_every_figure_survives(
    ssrc: int,
    figures: tuple[int, ...] | None,
    blocks: list[tuple[int, ...]],
    metrics: tuple[int, ...] | None,
    name: bytes | None,
    rest: list[bytes],
) -> None:
    """Whatever a compound packet consists of."""
    parts = [build.block(values) for values in blocks]
    payload = (
        build.sender_report(ssrc, figures, *parts)
        if figures
        else build.receiver_report(ssrc, *parts)
    )
    if metrics:
        payload += build.extended_report(ssrc, build.voip_metrics(metrics))
    if name is not None:
        payload += build.description(ssrc, name)
    document = _read(payload + b"".join(rest))
    assert document["ssrc"] == ssrc
    assert document["sender_information"] == dict(
        zip(SENDER_KEYS, figures or (0,) * 5, strict=True)
    )
    expected = [dict(zip(BLOCK_KEYS, values, strict=True)) for values in blocks]
    assert document["report_blocks"] == (expected or None)
    assert [document["report_blocks_xr"][key] for key in METRICS_KEYS] == [*(metrics or (0,) * 9)]
    assert document["sdes_ssrc"] == (0 if name is None else ssrc)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(payload: bytes) -> None:
    """None or JSON, no exception."""
    for start in (b"", b"\x81\xc8", b"\xa1\xc9\0\7", b"\x80\xcf\0\2"):
        text = to_json(start + payload)
        assert text is None or isinstance(orjson.loads(text), dict)


@given(st.data())
def test_what_is_cut_off_is_refused(data: st.DataObject) -> None:
    """Anywhere but between two packets of the compound."""
    report = build.sender_report(5, FIGURES, build.block())
    payload = report + build.extended_report(5, build.voip_metrics())
    size = data.draw(st.integers(0, len(payload) - 1))
    assert (to_json(payload[:size]) is not None) == (size == len(report))


def test_tshark_reads_the_same(tmp_path: Path) -> None:
    """Its figures for a compound packet with everything in it."""
    second = (99, 1, 2, 3, 4, 5, 6)
    payload = (
        build.sender_report(5, FIGURES, build.block(), build.block(second))
        + build.extended_report(5, build.voip_metrics())
        + build.description(5)
    )
    file = udp_file.write(tmp_path / "rtcp.pcap", [(40_001, 40_003, payload)])
    names = (
        *("rtcp.timestamp.ntp.msw", "rtcp.timestamp.ntp.lsw", "rtcp.timestamp.rtp"),
        *("rtcp.sender.packetcount", "rtcp.sender.octetcount", "rtcp.ssrc.identifier"),
        *("rtcp.ssrc.fraction", "rtcp.ssrc.cum_nr", "rtcp.ssrc.ext_high", "rtcp.ssrc.jitter"),
        *("rtcp.ssrc.lsr", "rtcp.ssrc.dlsr", "rtcp.xr.voipmetrics.burstdensity"),
        *("rtcp.xr.voipmetrics.gapdensity", "rtcp.xr.voipmetrics.burstduration"),
        *("rtcp.xr.voipmetrics.gapduration", "rtcp.xr.voipmetrics.rtdelay"),
        "rtcp.xr.voipmetrics.esdelay",
    )
    (said,) = tshark.fields(file, *names, decode_as=("udp.port==40001,rtcp",))
    figures = [[int(text, 0) for text in said[name]] for name in names]
    document = _read(payload)
    sender, blocks = document["sender_information"], document["report_blocks"]
    metrics = document["report_blocks_xr"]
    assert figures[:5] == [[sender[key]] for key in SENDER_KEYS]
    ssrcs, fractions, *rest = figures[5:12]
    assert ssrcs[: len(blocks)] == [block["source_ssrc"] for block in blocks]
    assert fractions[: len(blocks)] == [block["fraction_lost"] for block in blocks]
    for key, values in zip(BLOCK_KEYS[2:], rest, strict=True):
        assert values == [block[key] for block in blocks]
    assert figures[12:] == [[metrics[key]] for key in METRICS_KEYS[3:]]
