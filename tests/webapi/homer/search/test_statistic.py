# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/statistic/…``: what HOMER's charts ask InfluxDB."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fix_api import Answer
from tests.webapi.homer.search.conftest import HOST, RANGE, Homer


async def _get(homer: Homer, path: str) -> Answer:
    answer = await homer.client.get(f"/api/v3/statistic/{path}", headers=HOST)
    return Answer(answer.status, await answer.json())


def _lines(answer: Answer) -> list[list[Any]]:
    """What stands in the one series of an answer of HOMER's shape."""
    assert answer.status == 201, answer
    assert (answer.json["status"], answer.json["total"]) == ("ok", 1)
    (result,) = answer.json["data"]["Results"]
    assert result["Messages"] is None
    for series in result["Series"]:
        assert set(series) == {"name", "columns", "values"}
        assert all(len(line) == len(series["columns"]) for line in series["values"])
        return list(series["values"])
    return []


def _query(main: str = "messages", **fields: Any) -> dict[str, Any]:
    query = {"main": main, "database": "kemiscope", "retention": "autogen", **fields}
    return {"timestamp": RANGE, "param": {"limit": 200, "precision": 60, "query": [query]}}


async def test_contract_of_the_lists(homer: Homer) -> None:
    """Status 201; databases, retention policies, measurements, their fields and tags."""
    assert _lines(await _get(homer, "_db")) == [["kemiscope"]]
    body = {"param": {"search": {"database": "kemiscope"}}}
    assert _lines(await homer.post("statistic/_retentions", body))[0][0] == "autogen"
    measurements = [name for (name,) in _lines(await _get(homer, "_measurements/kemiscope"))]
    assert measurements == ["calls", "registrations", "messages"]
    for name in measurements:
        assert _lines(await homer.post("statistic/_metrics", _query(name)))
        assert _lines(await homer.post("statistic/_tags", _query(name))) == []


async def test_figures_are_those_of_the_counters(homer: Homer) -> None:
    """Newest first; the columns are the fields that were asked for, or all."""
    fields = ["messages", "octets"]
    (line,) = _lines(await homer.post("statistic/data", _query(type=fields)))
    assert line[0] == "2026-03-10T12:00:00.000000Z"
    assert line[1] == 18
    (asr,) = _lines(await homer.post("statistic/data", _query("calls", type=["asr"])))
    assert asr[1:] == [100.0]
    (counts,) = _lines(await homer.post("statistic/data", _query("registrations")))
    assert counts[1:] == [2, 1, 1, 0]
    away = _query("calls") | {"timestamp": {"from": 0, "to": 1}}
    assert _lines(await homer.post("statistic/data", away)) == []


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"param": {"query": []}}, {"timestamp": RANGE, "param": {"query": []}}),
        *(_query("nothing"), _query(database="other"), _query(type=["1; DROP TABLE call"])),
        _query() | {"timestamp": {"from": 2, "to": 1}},
    ],
)
async def test_what_is_wrong_is_refused(homer: Homer, body: Any) -> None:
    """With 400 and a message."""
    answer = await homer.post("statistic/data", body)
    assert (answer.status, answer.json["data"]) == (400, {})
    assert answer.json["message"]
