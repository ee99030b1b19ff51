# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of rtcp_report."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.columns import RTCP_REPORT
from collector.hep import PROTOCOL_UDP, TYPE_RTCP, Hep
from collector.quality import Report, rows
from tests.copy_reader import Row, read_rows
from tests.quality_json import HORACLIFIX, RTPENGINE_SR

TS = 1_790_000_000_000_001
SECONDS, MICROSECONDS = 1_763_856_000, 250_000
RTCP = Hep(
    *(3, PROTOCOL_UDP, bytes((192, 0, 2, 1)), bytes(15) + b"\1", 40_001, 40_003),
    *(SECONDS, MICROSECONDS, TYPE_RTCP, 7),
    payload=RTPENGINE_SR,
    correlation_id=b"call-1@test",
    vlan=12,
)


def _rows(packet: Hep, max_field_bytes: int = 512) -> list[Row]:
    encoded = rows.encode(
        packet,
        rows.read(packet),
        ts=TS,
        record_id=2**62,
        sender_ts=TS - 1,
        node=b"edge-1",
        max_field_bytes=max_field_bytes,
    )
    return read_rows(encoded, RTCP_REPORT)


def _with(extra: dict[int, bytes] | None = None, **members: Any) -> Row:
    """The row of a report with one block."""
    payload = orjson.dumps({"ssrc": 1, "report_blocks": [members]})
    (row,) = _rows(RTCP._replace(payload=payload, extra=extra or {}))
    return row


def test_figures_are_columns() -> None:
    """Each in its order, and none is forgotten."""
    names = [column.name for column in RTCP_REPORT]
    figures = [name for name in Report._fields if name not in ("direction", "fault")]
    begin = names.index("packet_type")
    assert names[begin : begin + len(figures)] == figures
    assert set(Report._fields) <= set(names)


def test_every_row_of_a_packet() -> None:
    """What belongs to the packet stands in each; payload and chunks only in the first."""
    first, second = _rows(RTCP._replace(extra={0x26: b"tag"}))
    common = {
        "ts": TS,
        "id": 2**62,
        "sender_ts": TS - 1,
        "src_port": 40_001,
        "dst_port": 40_003,
        "type": 5,
        "vlan": 12,
        "src_ip": "192.0.2.1",
        "dst_ip": "::1",
        "call_id": "call-1@test",
        "node": "edge-1",
        "packet_type": 200,
        "ssrc": 3_298_104_112,
        "packets": 1500,
        "octets": 240_000,
    }
    assert common.items() <= first.items()
    assert common.items() <= second.items()
    assert (first["block"], first["payload"], first["chunks"]) == (0, RTPENGINE_SR, {"tags": "tag"})
    assert (second["block"], second["payload"], second["chunks"]) == (1, None, None)
    assert (second["source_ssrc"], second["jitter"], second["packets_lost"]) == (2_954_872, 160, 17)


def test_directions() -> None:
    """Told by name; a real column holds single precision."""
    inward, outward = _rows(RTCP._replace(type=38, payload=HORACLIFIX))
    assert (inward["direction"], inward["fault"], inward["type"]) == ("in", None, 38)
    assert (outward["direction"], outward["fault"]) == ("out", "value")
    assert inward["mos"] == pytest.approx(4.2)


def _lsr(seconds_before: float) -> int:
    """LSR of an SR sent so long before the packet was captured."""
    return round((SECONDS + 2_208_988_800 + MICROSECONDS / 1e6 - seconds_before) * 65_536) % 2**32


@pytest.mark.parametrize(
    ("sent_before", "held_for", "rtt_ms"),
    [
        *((2.04, 2.0, 40), (0.5, 0.0, 500), (12.0, 2.0, 10_000)),
        *((2.0, 2.5, None), (20.0, 2.0, None), (-5.0, 0.0, None)),
    ],
)
def test_round_trip_time_from_lsr(
    sent_before: float, held_for: float, rtt_ms: float | None
) -> None:
    """RFC 3550 §6.4.1; negative, or longer than ten seconds, and the clocks do not agree."""
    row = _with(lsr=_lsr(sent_before), dlsr=round(held_for * 65_536))
    assert row["rtt_ms"] == (None if rtt_ms is None else pytest.approx(rtt_ms, abs=0.1))
    assert row["rtt_source"] == (None if rtt_ms is None else "lsr")
    assert row["fault"] is None


def test_without_a_time_there_is_no_round_trip_time() -> None:
    """The time of arrival here says nothing of the sender's network."""
    payload = b'{"ssrc":1,"report_blocks":[{"lsr":%d,"dlsr":0}]}' % _lsr(0.5)
    (row,) = _rows(RTCP._replace(payload=payload, seconds=0, microseconds=0))
    assert (row["rtt_ms"], row["rtt_source"]) == (None, None)


def test_chunks_fill_what_the_payload_leaves_open() -> None:
    """captagent and heplify measure MOS, R-factor and jitter beside RTCP."""
    extra = {0x20: b"\x01\xb8", 0x21: b"\0\x5d", 0x23: b"\0\0\0\x2c"}
    row = _with(extra)
    assert (row["mos"], row["r_factor"], row["jitter"]) == (pytest.approx(4.4), 93, 44)
    assert row["chunks"] == {"mos": 440, "r_factor": 93, "jitter": 44}
    assert _with(extra, ia_jitter=7)["jitter"] == 7


def test_chunks_that_cannot_be() -> None:
    """0 is not measured; anything else out of range is a fault."""
    row = _with({0x20: b"\0\0", 0x21: b"\0\0", 0x23: bytes(4)})
    assert (row["mos"], row["r_factor"], row["jitter"], row["fault"]) == (None, None, None, None)
    for extra in ({0x20: b"\xff\xff"}, {0x21: b"\0\x7f"}, {0x23: b"\xff" * 4}):
        row = _with(extra)
        assert (row["mos"], row["r_factor"], row["jitter"]) == (None, None, None)
        assert row["fault"] == "value"


def test_a_long_correlation_id_is_cut_and_marked() -> None:
    """It must fit into the index; a value that cannot be is the worse fault."""
    (row,) = _rows(RTCP._replace(correlation_id=b"x" * 5000, payload=b'{"ssrc":1}'))
    assert (row["call_id"], row["fault"]) == ("x" * 512, "field_length")
    (row,) = _rows(RTCP._replace(correlation_id=b"\xff", payload=b'{"ssrc":-1}'))
    assert (row["call_id"], row["fault"]) == ("\ufffd", "value")


def test_without_a_report_there_is_no_row() -> None:
    """The caller keeps the packet as an event."""
    assert _rows(RTCP._replace(payload=b"not a report")) == []


@given(st.binary(max_size=80), st.dictionaries(st.integers(0, 2**32 - 1), st.binary(max_size=9)))
def test_any_bytes_give_rows(payload: bytes, extra: dict[int, bytes]) -> None:
    """The payload stays as it came."""
    found = _rows(RTCP._replace(payload=b'{"ssrc":1,"x":"' + payload + b'"}', extra=extra))
    assert all(row["block"] or row["payload"] for row in found)
