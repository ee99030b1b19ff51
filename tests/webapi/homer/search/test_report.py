# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/call/report/log`` and ``…/qos``."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests import quality_json
from tests.webapi.homer.search.conftest import LOG_LINE, A, B, Homer
from webapi.homer.field import FIGURES, PROFILES
from webapi.homer.search.report import drawable

OF_A = {"1_call": {"callid": [A]}}


def _check(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table, whose shape is HOMER's."""
    assert set(table) == {"total", "data"}
    assert table["total"] == len(table["data"])
    for row in table["data"]:
        assert isinstance(row["id"], int)
        assert row["create_date"].endswith("Z")
        assert row["node"] == ["media", "localnode"]
        assert (row["sid"], row["correlation_id"], row["profile"]) == (A, A, "")
        assert isinstance(row["raw"], str)
    return list(table["data"])


async def test_contract_of_the_log_report(homer: Homer) -> None:
    """Status 201; the lines with the call's ids."""
    answer = await homer.ask("call/report/log", OF_A)
    assert answer.status == 201
    (row,) = _check(answer.json)
    assert (row["raw"], row["proto"]) == (LOG_LINE.decode(errors="replace"), "log")
    assert (await homer.ask("call/report/log", {"1_call": {"callid": [B]}})).json["data"] == []


async def test_contract_of_the_quality_report(homer: Homer) -> None:
    """Status 201; RTCP and reports of RTP, each with JSON that the charts can draw."""
    answer = await homer.ask("call/report/qos", OF_A)
    assert answer.status == 201
    assert set(answer.json) == {"rtcp", "rtp"}
    (rtcp,) = _check(answer.json["rtcp"])
    assert rtcp["raw"].encode() == quality_json.ASTERISK_SR
    assert orjson.loads(rtcp["raw"])["type"] == 200
    rtpagent, vq = _check(answer.json["rtp"])
    assert rtpagent["raw"].encode() == quality_json.RTPAGENT
    # RFC 6035 is text: its figures come under the names that the charts read.
    figures = orjson.loads(vq["raw"])
    assert figures["MOS"] > 1
    assert figures["TYPE"] == "REPORT"


@pytest.mark.parametrize("path", ["call/report/log", "call/report/qos"])
async def test_what_is_wrong_is_refused(homer: Homer, path: str) -> None:
    """With 400; another node has nothing."""
    assert (await homer.ask(path, {"1_call": {}})).status == 400
    away = await homer.ask(path, OF_A, location={"node": ["elsewhere"]})
    assert away.status == 201
    assert LOG_LINE[:10].decode() not in str(away.json)


_COLUMNS: dict[str, Any] = dict.fromkeys(FIGURES)


@pytest.mark.parametrize(
    ("payload", "drawn"),
    [
        (quality_json.ASTERISK_RR, quality_json.ASTERISK_RR),
        *((payload, None) for payload in (quality_json.CAPTAGENT_SR, b"\x80\xc8", b"[1]", b"")),
    ],
)
def test_charts_get_json_of_every_rtcp_packet(payload: bytes, drawn: bytes | None) -> None:
    """As it came, or made of what was read of it."""
    read = {"packet_type": 200, "packets": 500, "octets": 80000, "jitter": 4, "fraction_lost": 0.25}
    row = {**_COLUMNS, **read, "packets_lost": -1}
    raw = drawable(PROFILES["5_default"], row, payload.decode(errors="replace"))
    if drawn is not None:
        assert raw.encode() == drawn
        return
    found = orjson.loads(raw)
    assert found["type"] == 200
    assert found["sender_information"] == {"packets": 500, "octets": 80000}
    assert found["report_blocks"] == [{"ia_jitter": 4, "packets_lost": -1, "fraction_lost": 64}]


@pytest.mark.parametrize("payload", [quality_json.HORACLIFIX, quality_json.VQ_TOKENS, b"7"])
def test_charts_get_figures_of_every_report_of_rtp(payload: bytes) -> None:
    """Under the names that they read, whatever the source calls them."""
    row = {**_COLUMNS, "packets": 90, "packets_lost": 10, "mos": 4.5, "jitter_ms": 3.0}
    found = orjson.loads(drawable(PROFILES["35_default"], row, payload.decode()))
    assert found == {
        "TYPE": "REPORT",
        "TOTAL_PK": 90,
        "EXPECTED_PK": 100,
        "PACKET_LOSS": 10,
        "MOS": 4.5,
        "JITTER": 3.0,
    }
