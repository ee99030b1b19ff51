# SPDX-License-Identifier: GPL-2.0-or-later
"""A trace rule for the demo's calls, asked for as an operator does: over the web API."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from stack import service
from stack.errors import StackError
from stack.instance import Instance
from stack.ports import free_port

DOMAIN: Final = "demo.example"
"""Domain of the demo's callers, and of nobody else."""
_PATH: Final = "/api/v1/trace-rules"
_PROXY: Final = "demo"
_HOST: Final = "127.0.0.1"
_DURATION_S: Final = 120
_READY_S: Final = 20


class Rules:
    """A web API of the demo's own, which knows the demo's proxy.

    The one of `make run` knows the operator's proxies, and is left as it is.
    """

    def __init__(self, instance: Instance, directory: Path, control_port: int) -> None:
        """``directory`` takes its log; the proxy's control listens on ``control_port``."""
        self.proxy_token = secrets.token_urlsafe()
        """What the proxy wants to see."""
        self._log = directory / "webapi.log"
        self._authorization: dict[str, str] = {}
        self.port = free_port()
        """Of its web API, on 127.0.0.1."""
        self._rule = 0
        self._service = service.webapi(
            environment={
                **instance.environment,
                "KEMISCOPE_WEB_LISTEN": f"{_HOST}:{self.port}",
                "KEMISCOPE_WEB_TLS_LISTEN": "",
                "KEMISCOPE_TRACE_PROXIES": f"{_PROXY}=http://{_HOST}:{control_port}",
                "KEMISCOPE_TRACE_TOKEN": self.proxy_token,
            }
        )

    def start(self, authorization: dict[str, str]) -> None:
        """Start it; it need not be ready. ``authorization`` is the header for requests to it."""
        self._authorization = authorization
        with self._log.open("wb") as log:
            self._service.start(log)

    def stop(self) -> None:
        """End the rule and the web API."""
        if self._rule:
            with suppress(OSError, HTTPException, StackError):
                query = urlencode({"requested_by": "make demo"})
                self._ask("DELETE", f"{_PATH}/{self._rule}?{query}", HTTPStatus.OK)
        self._service.stop(timeout_s=5)

    def wait_ready(self) -> None:
        """Until it answers. Raises StackError if that does not come about."""
        self._wait(lambda: bool(self._ask("GET", _PATH, HTTPStatus.OK)), "web API")

    def trace_all(self) -> dict[str, Any]:
        """Ask for a rule for all of the demo's calls; returns it once the proxy has it.

        Raises StackError if that does not come about.
        """
        self.wait_ready()
        wanted = {
            "kind": "from_domain",
            "value": DOMAIN,
            "methods": ["*"],
            "duration": _DURATION_S,
            "requested_by": "make demo",
            "reason": "calls to look at",
        }
        made = self._ask("POST", _PATH, HTTPStatus.CREATED, wanted)
        self._rule = made["id"]
        self._wait(lambda: _PROXY in self._asked()["in_force_on"], "rule at the proxy")
        return self._asked()

    def _asked(self) -> dict[str, Any]:
        return self._ask("GET", f"{_PATH}/{self._rule}", HTTPStatus.OK)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            with suppress(OSError, HTTPException):
                if condition():
                    return
            if time.monotonic() > deadline:
                message = f"waited {_READY_S} s for the demo's {what}: see {self._log}"
                raise StackError(message)
            time.sleep(0.05)

    def _ask(
        self, method: str, path: str, expected: HTTPStatus, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer in JSON. Raises OSError, HTTPException, and StackError for another status."""
        headers = {"Content-Type": "application/json", **self._authorization}
        data = json.dumps(body) if body else None
        with closing(HTTPConnection(_HOST, self.port, timeout=10)) as connection:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        if response.status != expected:
            message = f"the demo's web API does not {method} {path}: {response.status} {text}"
            raise StackError(message)
        answer: dict[str, Any] = json.loads(text)
        return answer
