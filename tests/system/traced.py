# SPDX-License-Identifier: GPL-2.0-or-later
"""A database, a web API, and a proxy that gets its trace rules from it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from collector import trace_rule
from stack import service
from stack.ports import free_port
from stack.trial import Trial
from tests.system.edge import Edge
from tests.system.phone import header

PROXY_TOKEN: Final = "the-token-of-the-proxies"
WITHIN_S: Final = 5.0
"""What is promised to a proxy that was restarted."""
WHO: Final = {"requested_by": "anna", "reason": "ticket 815"}


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

    def rules(self) -> dict[str, str | int]:
        """What it has for rules in force."""
        items = self.table(trace_rule.RULES).items()
        return {name: value for name, value in items if not name.startswith("ended:")}

    def forget_calls(self) -> None:
        """No call is traced; without this one that failed is remembered for 200 s."""
        for call_id in self.table(trace_rule.CALLS):
            self._delete(trace_rule.CALLS, call_id)
        self.rpc("siptrace.status", "off")

    def place(self, number: str = "4099") -> list[str]:
        """Call a number that nobody has: INVITE, 404, ACK; what was traced of it."""
        with self.calls() as phone:
            call_id = self.new_call_id()
            phone.send(phone.request("INVITE", number, call_id=call_id))
            to = header(phone.receive("SIP/2.0 404"), "To")
            phone.send(phone.request("ACK", number, call_id=call_id, branch="1INVITE", to=to))
        return [message.what for message in self.collector.messages()]


class Api:
    """Requests to a running web API."""

    def __init__(self, port: int, authorization: Mapping[str, str]) -> None:
        self._port = port
        self._authorization = authorization

    def request(self, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        """Status and JSON. What only looks shows no token: it works without the database."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Content-Type": "application/json"}
        headers |= self._authorization if method != "GET" else {}
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, f"/api/v1/trace-rules{path}", data, headers)
            answer = connection.getresponse()
            return answer.status, json.load(answer)
        finally:
            connection.close()

    def add(self, kind: str, value: str = "*", **fields: Any) -> Any:
        """A new rule."""
        status, answer = self.request("POST", "", {"kind": kind, "value": value, **WHO, **fields})
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

    def __init__(self, trial: Trial, proxy: Proxy, authorization: Mapping[str, str]) -> None:
        self._authorization = authorization
        self.trial = trial
        self.proxy = proxy
        self.api = Api(trial.web_port, authorization)
        self.wait = trial.wait

    def wait_ready(self) -> None:
        """Until the proxy is as the rules say."""
        self.wait(lambda: self.api.proxy()["state"] == "ready", "the proxy to be ready")

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Nobody looks after the proxy."""
        assert self.trial.webapi
        self.trial.webapi.stop()
        try:
            yield
        finally:
            self.trial.start_webapi()
            self.wait_ready()

    @contextmanager
    def second_api(self, **environment: str) -> Iterator[Api]:
        """Another web API over the same database; ``environment`` as TRACE_TOKEN="…"."""
        port = free_port()
        variables = {f"KEMISCOPE_{name}": value for name, value in environment.items()}
        program = service.webapi(
            environment=self.trial.environment
            | {"KEMISCOPE_WEB_LISTEN": f"127.0.0.1:{port}", **variables}
        )
        with (self.trial.log / "webapi2.log").open("ab") as log:
            process = program.start(log)
        try:
            self.wait(lambda: _accepts(port), "the second web API", process)
            yield Api(port, self._authorization)
        finally:
            program.stop()

    def wait_drift(self, since: int) -> None:
        """Until the API has found and mended another difference."""
        self.wait(lambda: self.api.proxy()["drift"] > since, "the drift", timeout_s=WITHIN_S)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
