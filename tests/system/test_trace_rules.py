# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace rules from the web API to a real proxy: brought there, kept there, gone when they end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from collector import trace_rule
from stack import service
from stack.ports import free_port
from stack.service import ROOT, Service
from stack.trial import Trial
from tests.system.edge import Edge

PROXY_TOKEN: Final = "the-token-of-the-proxies"
CHANGE_TOKEN: Final = "the-token-of-who-may-change"
WITHIN_S: Final = 5.0
"""What is promised to a proxy that was restarted."""
_WHO: Final = {"requested_by": "anna", "reason": "ticket 815"}


class Proxy(Edge):
    """The example proxy, as one that can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, defines={"TRACE_TOKEN": f'"{PROXY_TOKEN}"'})

    def control(self, body: str | bytes, *, path: str = "/trace", authorization: str = "") -> str:
        """As the web API does, with this proxy's token."""
        return super().control(
            body, path=path, authorization=authorization or f"Bearer {PROXY_TOKEN}"
        )

    def start(self) -> None:
        """Start it and wait for it."""
        self.__enter__()

    def stop(self) -> None:
        """As an orderly restart begins."""
        self._service.stop(timeout_s=5)

    def kill(self) -> None:
        """As a crash."""
        self._service.kill()

    def has(self, name: str) -> bool:
        """Whether an item of the rules is there and has not expired."""
        return name in self.table(trace_rule.RULES)


class Api:
    """Requests to a running web API."""

    def __init__(self, port: int) -> None:
        self._port = port

    def request(
        self, method: str, path: str = "", body: Any = None, token: str = CHANGE_TOKEN
    ) -> tuple[int, Any]:
        """Status and JSON."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, f"/api/v1/trace-rules{path}", data, headers)
            answer = connection.getresponse()
            return answer.status, json.load(answer)
        finally:
            connection.close()

    def add(self, kind: str, value: str = "*", **fields: Any) -> Any:
        """A new rule."""
        status, answer = self.request("POST", "", {"kind": kind, "value": value, **_WHO, **fields})
        assert status == 201, answer
        return answer

    def remove(self, rule_id: int) -> Any:
        """End a rule."""
        status, answer = self.request("DELETE", f"/{rule_id}?{urlencode({'requested_by': 'ben'})}")
        assert status == 200, answer
        return answer

    def state(self) -> Any:
        """Rules in force, proxies, database."""
        status, answer = self.request("GET")
        assert status == 200, answer
        return answer

    def proxy(self, name: str = "edge") -> Any:
        """The state of one proxy."""
        return next(one for one in self.state()["proxies"] if one["name"] == name)


class Stack:
    """A database, a web API, and the proxy that it knows."""

    def __init__(self, trial: Trial, proxy: Proxy) -> None:
        self.trial = trial
        self.proxy = proxy
        self.api = Api(trial.web_port)
        self.wait = trial.wait

    def wait_ready(self) -> None:
        """Until the proxy is as the rules say."""
        self.wait(lambda: self.api.proxy()["state"] == "ready", "the proxy to be ready")

    def restart_api(self) -> None:
        """A new process, with what is in the settings file now."""
        if self.trial.webapi:
            self.trial.webapi.stop()
        self.trial.start_webapi()


@pytest.fixture(scope="module")
def one_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared by the tests of this module; ``stack`` tidies it up."""
    directory = tmp_path_factory.mktemp("trace")
    proxy = Proxy(directory / "proxy")
    trial = Trial(
        directory / "stack",
        {
            "trace": {
                "proxies": [f"edge=http://127.0.0.1:{proxy.control_port}"],
                "token": PROXY_TOKEN,
                "request_timeout": 1.0,
            },
            "web": {"change_token": CHANGE_TOKEN},
            "database": {"connect_timeout": 1.0},
        },
    )
    with proxy:
        try:
            trial.start_database()
            trial.start_webapi()
            yield Stack(trial, proxy)
        finally:
            trial.stop()


@pytest.fixture
def stack(one_stack: Stack) -> Iterator[Stack]:
    """A stack without rules."""
    one_stack.wait_ready()
    yield one_stack
    for rule in one_stack.api.state()["trace_rules"]:
        one_stack.api.remove(rule["id"])
    one_stack.wait_ready()


def test_a_rule_is_in_force_when_the_answer_comes(stack: Stack) -> None:
    """Pushed at once, not at the next look; the items are as the proxy reads them."""
    made = stack.api.add("from_user", "4711", calls=5, duration="10m")
    assert made["in_force_on"] == ["edge"]
    items = stack.proxy.table(trace_rule.RULES)
    assert items["from_user:4711"] == f"{made['id']};include;65536;5;INVITE"
    assert items["kinds"] == trace_rule.KINDS["from_user"]
    assert stack.api.remove(made["id"])["ended"] == "removed"
    assert stack.proxy.table(trace_rule.RULES) == {}


@pytest.mark.parametrize("how", ["restart", "kill -9"])
def test_a_restarted_proxy_has_its_rules_back_within_5_seconds(stack: Stack, how: str) -> None:
    """Rules, kinds, networks and the count of calls; measured from when it takes requests."""
    made = [stack.api.add("request_user", "4010"), stack.api.add("source", "198.51.100.0/24")]
    before = stack.proxy.table(trace_rule.RULES)
    restarts = stack.api.proxy()["restarts"]
    if how == "restart":
        stack.proxy.stop()
    else:
        stack.proxy.kill()
    stack.wait(lambda: stack.api.proxy()["state"] == "unreachable", "the API to notice")
    assert stack.api.state()["trace_rules"][0]["in_force_on"] == []
    stack.proxy.start()
    stack.wait(
        lambda: stack.proxy.table(trace_rule.RULES) == before,
        "the rules",
        timeout_s=WITHIN_S,
    )
    stack.wait_ready()
    state = stack.api.proxy()
    assert state["restarts"] == restarts + 1
    assert state["in_force"] == [rule["id"] for rule in made]
