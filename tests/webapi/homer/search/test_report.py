# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/call/report/log`` and ``…/qos``."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests import quality_json
from tests.webapi.homer.search.conftest import LOG_LINE, A, B, Homer

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
