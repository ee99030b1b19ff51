# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's proxy, callees and calls."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

from collector.api_token import local_token
from collector.settings.endpoint import UDP, parse_endpoint
from stack import api, proxy
from stack.demo.rule import Rules
from stack.errors import StackError
from stack.instance import Instance
from stack.ports import free_block, free_port
from stack.service import Services

SCENARIOS: Final = Path(__file__).resolve().parent / "scenarios"
_CALL_S: Final = 20
_SETTLE_S: Final = 10


class Call(NamedTuple):
    """One call of the demo; ``messages`` is how many its Call-ID must show at the capture node."""

    name: str
    what: str
    scenario: str
    number: str
    messages: int
    status: int = 0
    """Final status that the caller expects, for the scenario ``refused``."""
    second_leg_of: str = ""
    """Name of the call whose Call-ID goes into X-CID."""


# Every message counts twice, into the proxy and out of it; the proxy's own replies, and requests
# that it answers itself, once.
CALLS: Final = (
    Call("answered", "rings, is answered, the caller hangs up", "uac_answered", "4010", 13),
    Call("busy", "486 from the callee", "uac_refused", "4011", 7, status=486),
    Call("cancelled", "the caller gives up while it rings", "uac_cancel", "4012", 13),
    Call("not-found", "404 from the proxy itself", "uac_refused", "4099", 3, status=404),
    Call("no-answer", "nobody picks up; 408 from the proxy", "uac_refused", "4012", 11, status=408),
    Call("hold", "answered, then a re-INVITE puts it on hold", "uac_hold", "4010", 20),
    Call("registration", "401, then with credentials 200", "uac_register", "", 4),
    Call(
        *("second-leg", "a B2BUA's other leg, X-CID names the first call", "uac_answered"),
        *("4010", 13),
        second_leg_of="answered",
    ),
)

UNTRACED: Final = Call("untraced", "before there is a rule", "uac_answered", "4010", 0)

_CALLEES: Final = {"uas_answer": 0, "uas_busy": 1, "uas_ring": 2}
"""Scenario → last digit of the numbers that reach it."""


class Demo:
    """The proxy and the callees, running for the length of a ``with`` block."""

    def __init__(self, instance: Instance, directory: Path) -> None:
        """``directory`` takes logs and scenario files. Raises StackError when SIPp is missing."""
        self._settings = instance.settings
        self._directory = directory
        listen = map(parse_endpoint, self._settings.hep.listen)
        endpoint = next(item for item in listen if item.protocol == UDP)
        address = ipaddress.ip_address(endpoint.host)
        self._host = "127.0.0.1" if address.is_unspecified else endpoint.host
        self._collector = proxy.collector(self._host, endpoint.port)
        self._run = os.urandom(3).hex()
        self._services = Services(directory)
        self._port = free_port()
        self._control_port = free_port()
        self._closing = ExitStack()
        self._authorization: dict[str, str] = {}
        self.rules = Rules(instance, directory, self._control_port)
        self._sipp = shutil.which("sipp") or ""
        if not self._sipp:
            message = "SIPp is missing: install the package sip-tester"
            raise StackError(message)

    def __enter__(self) -> Self:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        base = free_block(self._host)
        self._services.start(
            "proxy",
            proxy.command(
                self._directory,
                proxy.sockets(self._host, self._port)
                | proxy.control(self._control_port, self.rules.proxy_token)
                | self._collector
                | {"CALLEE_PORT": base},
            ),
        )
        self._authorization = self._closing.enter_context(local_token(self._settings))
        self.rules.start(self._authorization)
        for scenario, digit in _CALLEES.items():
            self._services.start(scenario, self._sipp_command(scenario, base + digit))
        time.sleep(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.rules.stop()
        self._services.stop(timeout_s=5)
        self._closing.close()

    def place_untraced(self) -> None:
        """Place one call while there is no rule."""
        self.place_calls([UNTRACED])

    def check_untraced(self) -> None:
        """Raise StackError if anything of the call without a rule was captured.

        That means something when calls that came later have been captured.
        """
        if self._shown(UNTRACED)["messages"]:
            message = "a call was captured for which there was no rule"
            raise StackError(message)

    def place_all(self) -> dict[str, dict[str, Any]]:
        """Place all calls at once; returns by name what the API shows of each, complete."""
        self.place_calls()
        return {call.name: self._captured(call) for call in CALLS}

    def place_calls(self, calls: Sequence[Call] = CALLS) -> None:
        """Place these at once. Raises StackError for one that does not go as it should."""
        running = [(call, self._place(call)) for call in calls]
        try:
            for call, process in running:
                if process.wait(_CALL_S):
                    message = f"the call {call.name} failed: see {self._directory}/{call.name}.log"
                    raise StackError(message)
        except subprocess.TimeoutExpired as error:
            message = f"a call does not end within {_CALL_S} s: see {self._directory}"
            raise StackError(message) from error
        finally:
            for _, process in running:
                process.kill()
                process.wait()

    def call_id(self, name: str) -> str:
        """The Call-ID of a call of this run."""
        return f"demo-{name}-{self._run}@kemiscope"

    def _place(self, call: Call) -> subprocess.Popen[bytes]:
        text = (SCENARIOS / f"{call.scenario}.xml").read_text()
        text = text.replace('response="STATUS"', f'response="{call.status}"')
        if call.second_leg_of:
            header = f"X-CID: {self.call_id(call.second_leg_of)}\n"
            text = text.replace("CSeq: 1 INVITE\n", f"CSeq: 1 INVITE\n{header}")
        scenario = self._directory / f"{call.name}.xml"
        scenario.write_text(text)
        command = [
            *(self._sipp, f"{self._host}:{self._port}", "-sf", str(scenario)),
            *("-i", self._host, "-p", str(free_port()), "-m", "1", "-nostdin"),
            *("-timeout", str(_CALL_S)),
            *("-cid_str", self.call_id(call.name), "-s", call.number or "caller"),
        ]
        with (self._directory / f"{call.name}.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _captured(self, call: Call) -> dict[str, Any]:
        """What the API shows of a call, once it and its row have all messages."""
        deadline = time.monotonic() + _SETTLE_S
        found = self._shown(call)
        while not _is_complete(call, found) and time.monotonic() < deadline:
            time.sleep(0.1)
            found = self._shown(call)
        if not _is_complete(call, found):
            message = (
                f"the call {call.name} shows {len(found['messages'])} of {call.messages} messages"
            )
            raise StackError(message)
        return found

    def _shown(self, call: Call) -> dict[str, Any]:
        """What the API shows of a call now; no messages if it does not know it."""
        path = f"/api/v1/calls/{quote(self.call_id(call.name), safe='')}"
        status, answer = api.get(self._settings, path, self._authorization)
        if status == HTTPStatus.OK:
            found: dict[str, Any] = answer
            return found
        if status != HTTPStatus.NOT_FOUND:
            message = f"the web API does not show {path}: {status} {answer}"
            raise StackError(message)
        return {"messages": []}

    def _sipp_command(self, scenario: str, port: int) -> list[str]:
        return [
            *(self._sipp, "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", self._host),
            *("-p", str(port), "-nostdin"),
        ]


def _is_complete(call: Call, found: dict[str, Any]) -> bool:
    if len(found["messages"]) < call.messages:
        return False
    row = found["call"]
    return not row or int(row["messages"]) >= call.messages
