# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the compiled sender."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench import compiled, mix
from stack.errors import StackError


class Sent(NamedTuple):
    """What the sender did."""

    sent: int
    errors: int
    """Packets that the kernel refused to send: nobody listened."""
    seconds: float
    octets: int
    cpu_s: float
    """Processor time. On the loopback it includes the kernel's work up to the receiver's socket."""

    @property
    def rate(self) -> float:
        """Packets per second."""
        return self.sent / self.seconds


class Load:
    """A sender that runs beside the test."""

    def __init__(
        self,
        port: int,
        count: int,
        rate: float,
        first: int = 0,
        *,
        protocol: str = "udp",
        connections: int = 1,
    ) -> None:
        """Send ``count`` packets to loopback at ``rate``/s (0: as fast as possible).

        ``protocol`` is udp, tcp, tls, ws or wss; the last four use ``connections`` in turn.
        """
        program, templates = build()
        numbers = (str(port), str(count), str(rate))
        self._process = subprocess.Popen(
            [
                *(program, protocol, "127.0.0.1", *numbers, templates),
                *(str(first), str(connections)),
            ],
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid

    def wait(self, timeout_s: float | None = None) -> Sent:
        """Wait until all is sent."""
        output, _ = self._process.communicate(timeout=timeout_s)
        if self._process.returncode:
            message = f"the sender ended with status {self._process.returncode}"
            raise StackError(message)
        return Sent(**json.loads(output))

    def stop(self) -> None:
        """End it early."""
        self._process.kill()
        self._process.communicate()


def build() -> tuple[Path, Path]:
    """Compile the sender and write its templates if they are older than their sources."""
    files = ("sender.c", "transport.c", "transport.h", "clock.h")
    program = compiled.program("sender", files, ("-lssl", "-lcrypto"))
    templates = compiled.BUILD / "templates"
    if not templates.exists() or templates.stat().st_mtime < Path(mix.__file__).stat().st_mtime:
        mix.write_templates(templates)
    return program, templates
