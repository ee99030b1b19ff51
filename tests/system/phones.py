# SPDX-License-Identifier: GPL-2.0-or-later
"""SIPp callers and callees with proxies between them that trace to a capture node."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from collector.settings.endpoint import Endpoint
from stack import proxy
from stack.demo.calls import SCENARIOS
from stack.ports import free_block, free_port, is_free
from stack.service import Services

HOST: Final = "127.0.0.1"
ANSWERS: Final = "4010"
BUSY: Final = "4011"
RINGS: Final = "4012"
UNKNOWN: Final = "4099"
_CALLEES: Final = ("uas_answer", "uas_busy", "uas_ring")
"""By the last digit of the numbers that reach them."""
_START_S: Final = 15.0
_CALL_S: Final = 60


class Phones:
    """What a test places calls with; all of it ends with the ``with`` block."""

    def __init__(self, directory: Path) -> None:
        """``directory`` takes logs and scenario files."""
        self._directory = directory
        self._services = Services(directory)
        directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._services.stop(timeout_s=5)

    def callees(self) -> int:
        """Start one SIPp for each number; returns the port of the first."""
        base = free_block(HOST)
        for digit, scenario in enumerate(_CALLEES):
            path = str(SCENARIOS / f"{scenario}.xml")
            port = base + digit
            command = ["sipp", "-sf", path, "-i", HOST, "-p", str(port), "-nostdin"]
            self._start(scenario, command, port)
        return base

    def proxy(self, capture_port: int, callee_port: int) -> int:
        """Start a proxy that traces to ``capture_port``; returns its port.

        Numbers go to ``callee_port`` plus their last digit.
        """
        port = free_port()
        run = self._directory / str(port)  # short: the sockets in it may have 107 characters
        run.mkdir()
        self._start(
            f"proxy-{port}",
            proxy.command(
                run,
                proxy.sockets(HOST, port)
                | proxy.control(free_port())
                | proxy.collector(HOST, capture_port)
                | {"CALLEE_PORT": callee_port, "TRACE_EVERYTHING": ""},
            ),
            port,
        )
        return port

    def place(
        self,
        port: int,
        name: str,
        scenario: str,
        number: str,
        *,
        count: int = 1,
        status: int = 0,
        headers: str = "",
    ) -> subprocess.Popen[bytes]:
        """Begin ``count`` calls through the proxy on ``port``, 20 a second.

        Call-IDs are as ``call_ids`` has them; ``status`` is what the scenario ``refused`` expects,
        ``headers`` go into the INVITE.
        """
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        text = text.replace('response="STATUS"', f'response="{status}"')
        text = text.replace("CSeq: 1 INVITE\n", f"CSeq: 1 INVITE\n{headers}", 1)
        path = self._directory / f"{name}.xml"
        path.write_text(text)
        command = [
            *("sipp", f"{HOST}:{port}", "-sf", str(path), "-i", HOST, "-p", str(free_port())),
            *("-m", str(count), "-r", "20", "-nostdin", "-timeout", str(_CALL_S)),
            *("-cid_str", f"{name}-%u@phones", "-s", number),
        ]
        with (self._directory / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def finish(self, *callers: subprocess.Popen[bytes]) -> None:
        """Wait for the calls; each must have gone as its scenario says."""
        for caller in callers:
            try:
                assert caller.wait(_CALL_S) == 0, f"a call failed, see {self._directory}"
            finally:
                caller.kill()

    def _start(self, name: str, command: list[str], port: int) -> None:
        self._services.start(name, command)
        deadline = time.monotonic() + _START_S
        while is_free(Endpoint("udp", HOST, port)):
            assert time.monotonic() < deadline, f"{name} does not listen"
            time.sleep(0.05)


def call_ids(name: str, count: int = 1) -> list[str]:
    """The Call-IDs of calls that were placed under a name."""
    return [f"{name}-{number}@phones" for number in range(1, count + 1)]
