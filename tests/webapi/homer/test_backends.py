# SPDX-License-Identifier: GPL-2.0-or-later
"""Prometheus, Loki, Grafana and agents: small servers that answer as they do, and as they should
not; and that no client of ours decides where a request goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from collector.errors import SettingsError
from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.webapi.homer.conftest import Homer, OpenHomer, Ui

SPAN = {"from": 1_700_000_000_000, "to": 1_700_000_600_000}
MATRIX = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "2"]]}]}


class Other:
    """A server beside ours: remembers what it was asked, answers what the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """Method, path with query, and headers."""
        self.bodies: list[bytes] = []
        self.answer: web.Response | None = None
        self.data: Any = {}
        self.base = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Any request."""
        self.asked.append((request.method, request.raw_path, dict(request.headers)))
        self.bodies.append(await request.read())
        return self.answer or web.json_response(self.data)

    @property
    def paths(self) -> list[str]:
        """Of what it was asked."""
        return [path for _, path, _ in self.asked]


@pytest.fixture
async def other() -> AsyncIterator[Other]:
    """Running."""
    found = Other()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", found.handle)
    async with TestServer(app) as server:
        found.base = f"http://127.0.0.1:{server.port}"
        yield found


@pytest.fixture
async def linked(open_homer: OpenHomer, other: Other) -> Homer:
    """A site that knows it as everything."""
    return await open_homer(
        BACKENDS_PROMETHEUS=f"{other.base}/prom",
        BACKENDS_PROMETHEUS_USER="reader",
        BACKENDS_PROMETHEUS_PASSWORD="prometheus-password",
        BACKENDS_LOKI=other.base,
        BACKENDS_GRAFANA=other.base + "/",
        BACKENDS_GRAFANA_TOKEN="grafana-token",
        BACKENDS_AGENTS=f'["{other.base}"]',
        BACKENDS_TIMEOUT="2s",
        BACKENDS_MAX_BYTES="2000",
    )


@pytest.fixture
async def reader(linked: Homer) -> Ui:
    """Who may read."""
    return await linked.signed_in("user")


async def test_without_any_of_them(user: Ui) -> None:
    """400 with HOMER's words, and a status that says so."""
    value = {"timestamp": SPAN, "param": {"metrics": ["up"]}}
    assert (await user.post("prometheus/value", value)).json["message"] == (
        "Prometheus service is not enabled"
    )
    assert (await user.get("prometheus/labels")).status == 400
    answer = await user.get("search/remote/label?server=http://127.0.0.1:1")
    assert answer == (400, {"data": {}, "message": "Loki service is not enabled"})
    answer = await user.get("proxy/grafana/url")
    assert answer == (400, {"data": {}, "message": "Grafana service is not configured"})
    assert (await user.get("proxy/grafana/org")).status == 400
    assert (await user.get("proxy/grafana/status")).json == {"data": {"enable": False}}
    assert (await user.get("proxy/grafana/path")).json == {"data": "grafana"}


async def test_metrics_of_prometheus(reader: Ui, other: Other) -> None:
    """A matrix for each metric, over the asked time; the password goes there and nowhere else."""
    other.data = {"status": "success", "data": MATRIX}
    asked = {"timestamp": SPAN, "param": {"precision": 30, "metrics": ["up", 'a{b="&x=1"}']}}
    answer = await reader.post("prometheus/value", asked)
    assert answer == (201, [{"success": "", "data": MATRIX}] * 2)
    (_, path, headers), _ = sorted(other.asked, key=lambda one: "up" not in one[1])
    assert path == (
        "/prom/api/v1/query_range?query=up&start=1700000000.000&end=1700000600.000&step=30"
    )
    assert headers["Authorization"].startswith("Basic ")
    assert all("&x=1" not in path for path in other.paths)


async def test_names_and_series_of_prometheus(reader: Ui, other: Other) -> None:
    """Lists, as a chart's settings read them."""
    other.data = {"data": ["up", "down"]}
    assert await reader.get("prometheus/labels") == (201, ["up", "down"])
    other.data = {"data": [{"__name__": "up", "job": "x", "secret": "y"}]}
    answer = await reader.get("prometheus/label/up")
    shown = {"__name__": "up", "instance": "", "job": "x", "version": ""}
    assert answer == (201, [shown])
    assert other.paths == [
        "/prom/api/v1/label/__name__/values",
        "/prom/api/v1/series?match%5B%5D=up",
    ]
    assert await reader.post("prometheus/data", {}) == (201, {})


async def test_lines_of_loki(reader: Ui, other: Other) -> None:
    """The newest first, times in milliseconds, labels as text; ``server`` counts for nothing."""
    stream = {"stream": {"job": "x"}, "values": [["1700000000123456789", "a"], ["bad"]]}
    later = {"stream": {}, "values": [["1700000001000000000", "<b>"]]}
    other.data = {"data": {"resultType": "streams", "result": [stream, later, 5]}}
    param = {"server": "http://169.254.169.254", "limit": 5, "search": '{job="x"} |~ "&limit=9"'}
    answer = await reader.post("search/remote/data", {"timestamp": SPAN, "param": param})
    assert answer.status == 201
    assert answer.json["data"] == [
        {"id": 1, "micro_ts": 1700000001000, "custom_1": "<b>", "custom_2": "{}"},
        {"id": 2, "micro_ts": 1700000000123, "custom_1": "a", "custom_2": '{"job":"x"}'},
    ]
    (path,) = other.paths
    assert path.startswith("/loki/api/v1/query_range?query=")
    assert path.count("limit=5") == 1
    assert "&limit=9" not in path
    assert "start=1700000000000000000" in path


async def test_labels_of_loki(reader: Ui, other: Other) -> None:
    """Names, and the values of one."""
    other.data = {"status": "success", "data": ["job", "host"]}
    assert await reader.get("search/remote/label?server=x") == (201, ["job", "host"])
    assert (await reader.get("search/remote/values?server=x&label=job")).json == ["job", "host"]
    assert other.paths == ["/loki/api/v1/labels", "/loki/api/v1/label/job/values"]


async def test_dashboards_of_grafana(reader: Ui, other: Other) -> None:
    """Passed through; the token is shown to Grafana alone."""
    other.data = {"id": 1}
    for path in ("org", "folders", "search/3", "dashboards/uid/Ab-c_1"):
        assert await reader.get(f"proxy/grafana/{path}") == (201, {"id": 1})
    assert other.paths == [
        "/api/org",
        "/api/search?folderIds=0",
        "/api/search?folderIds=3",
        "/api/dashboards/uid/Ab-c_1",
    ]
    assert {headers["Authorization"] for _, _, headers in other.asked} == {"Bearer grafana-token"}
    assert (await reader.get("proxy/grafana/status")).json == {"data": {"enable": True}}
    assert (await reader.get("proxy/grafana/url")).json == {"data": other.base + "/"}


async def test_grafana_refuses(reader: Ui, other: Other) -> None:
    """HOMER's words for it."""
    other.answer = web.json_response({"message": "no"}, status=404)
    answer = await reader.get("proxy/grafana/org")
    assert answer.status == 201
    assert answer.json["errorcode"] == "1048"
    assert answer.json["message"] == "grafana returned httpcode: 404"


@pytest.mark.parametrize(
    "path",
    [
        "proxy/grafana/dashboards/uid/..%2F..%2Fadmin",
        "proxy/grafana/dashboards/uid/a%2e%2e",
        "proxy/grafana/dashboards/uid/a%3Fb=c",
        "proxy/grafana/dashboards/uid/a%23b",
        "proxy/grafana/dashboards/uid/a%5Cb",
        "search/remote/values?label=..%2F..%2Fconfig",
        "search/remote/values?label=a%0D%0AHost:%20x",
        "search/remote/values",
    ],
)
async def test_nobody_leaves_the_listed_paths(reader: Ui, other: Other, path: str) -> None:
    """400 before anything is asked."""
    answer = await reader.get(path)
    assert (answer.status, other.asked) == (400, [])


async def test_a_redirect_is_not_followed(reader: Ui, other: Other) -> None:
    """Wherever it leads."""
    other.answer = web.Response(status=302, headers={"Location": f"{other.base}/elsewhere"})
    answer = await reader.get("proxy/grafana/org")
    assert (answer.status, answer.json["data"]) == (502, {})
    assert other.paths == ["/api/org"]


@pytest.mark.parametrize("body", [b"<html>", b"x" * 3000, b""])
async def test_an_answer_that_is_none(reader: Ui, other: Other, body: bytes) -> None:
    """No JSON, or more than ``backends.max_bytes``."""
    other.answer = web.Response(body=body)
    assert (await reader.get("prometheus/labels")).status == 502


async def test_nobody_there(open_homer: OpenHomer) -> None:
    """502, without what the connection said."""
    homer = await open_homer(BACKENDS_LOKI="http://127.0.0.1:1", BACKENDS_TIMEOUT="1s")
    ui = await homer.signed_in("user")
    answer = await ui.get("search/remote/label")
    assert answer == (
        502,
        {"data": {}, "message": "Loki does not answer as it should; the log has more"},
    )


async def test_what_an_administrator_stores_is_no_target(linked: Homer, other: Other) -> None:
    """HOMER reads Grafana's host from its settings; here that is a word and no more."""
    admin = await linked.signed_in("admin")
    stored = {"category": "search", "param": "grafana", "data": {"host": "http://127.0.0.1:1"}}
    guid = (await admin.post("advanced", stored)).json["data"]
    other.data = {"id": 1}
    assert (await admin.get("proxy/grafana/org")).json == {"id": 1}
    await admin.delete(f"advanced/{guid}")


def _agent(other: Other, **more: Any) -> dict[str, Any]:
    port = int(other.base.rpartition(":")[2])
    found = {"uuid": str(uuid4()), "gid": 10, "host": "127.0.0.1", "port": port, "protocol": "http"}
    return {**found, "path": "/api/search", "node": "edge1", "type": "home", "ttl": 300, **more}


async def test_an_agent_from_first_to_last(linked: Homer, other: Other) -> None:
    """It subscribes, is listed, is asked about a call, and goes."""
    admin, reader = await linked.signed_in("admin"), await linked.signed_in("user")
    support = await linked.signed_in("support")
    agent = _agent(other)
    answer = await support.post("agent/subscribe", agent)
    assert (answer.status, answer.json["message"]) == (201, "successfully created agent record")
    assert set(answer.json["data"]) == {"uuid", "expire_date", "expire_ts"}
    for path in ("agent/subscribe", "agent/type"):
        answer = await reader.get(path)
        assert answer.json["message"] == "successfully retrieved agent records"
        (row,) = answer.json["data"]
        assert {name: row[name] for name in agent} == agent
        assert row["active"] == 1
    path = f"agent/subscribe/{agent['uuid']}"
    assert (await reader.get(path)).json == {"message": "agent record", "data": [row]}
    assert (await reader.get("agent/type/hom")).json["data"] == [row]
    assert (await reader.get("agent/type/other")).status == 400
    other.data = {"cdr": [1]}
    asked = {"param": {"search": {"1_call": {"callid": ['a"b']}}}, "timestamp": SPAN}
    answer = await reader.post(f"agent/search/{agent['uuid']}/cdr", asked)
    shown = {"message": "request answer", "node": "edge1", "uuid": agent["uuid"]}
    assert answer == (200, {**shown, "data": {"cdr": [1]}})
    assert [(method, path) for method, path, _ in other.asked] == [("POST", "/api/search/cdr")]
    assert orjson.loads(other.bodies[0]) == {
        "data": {"sid": ['a"b'], "source_ip": ['a"b']},
        "fromts": SPAN["from"] - 300_000,
        "tots": SPAN["to"] + 200_000,
    }
    answer = await reader.post(f"agent/search/{agent['uuid']}/download", asked)
    assert (answer.status, answer.json) == (200, b'{"cdr": [1]}')
    assert reader.headers["Content-Disposition"].startswith("attachment; filename=export-")
    assert (await reader.delete(path)).status == 403
    assert (await admin.put(path, {"node": "edge2"})).status == 200
    assert (await reader.get(path)).json["data"][0]["node"] == "edge2"
    assert (await admin.delete(path)).status == 200
    assert (await admin.delete(path)).status == 400


async def test_an_agent_that_is_not_in_the_settings_is_not_asked(
    linked: Homer, other: Other
) -> None:
    """Whoever may subscribe does not choose what this service connects to."""
    support = await linked.signed_in("support")
    agent = _agent(other, host="localhost")
    assert (await support.post("agent/subscribe", agent)).status == 201
    asked = {"param": {"search": {"1_call": {"callid": ["a"]}}}, "timestamp": SPAN}
    answer = await support.post(f"agent/search/{agent['uuid']}/cdr", asked)
    assert (answer.status, "backends.agents" in answer.json["message"]) == (400, True)
    assert other.asked == []


@pytest.mark.parametrize(
    "more",
    [
        {"host": "a/b"},
        {"host": "user@host"},
        {"path": "/../x"},
        {"path": "x"},
        {"path": "/x?y"},
        {"protocol": "file"},
        {"port": 0.5},
        {"uuid": "x"},
        {"ttl": "x"},
    ],
)
async def test_an_agent_that_cannot_be(homer: Homer, other: Other, more: dict[str, Any]) -> None:
    """400 for an address that is more than one."""
    support = await homer.signed_in("support")
    assert (await support.post("agent/subscribe", _agent(other, **more))).status == 400


async def test_users_subscribe_no_agents(user: Ui, other: Other) -> None:
    """It takes the right trace, of a role or of a token."""
    assert (await user.post("agent/subscribe", _agent(other))).status == 403


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROMETHEUS", "file:///etc/passwd"),
        ("LOKI", "http://user:password@loki"),
        ("GRAFANA", "http://grafana/?x=1"),
        ("GRAFANA", "grafana"),
        ("AGENTS", '["http://192.0.2.1"]'),
        ("AGENTS", '["http://192.0.2.1:80/x"]'),
    ],
)
def test_a_target_that_is_no_base(database: Database, name: str, value: str) -> None:
    """The start stops with the name of the setting."""
    with pytest.raises(SettingsError, match=f"backends.{name.lower()}"):
        load_settings(database, **{f"BACKENDS_{name}": value})
