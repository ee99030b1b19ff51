# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent, what it sends to, and players of frames, as programs at a cable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from bench import compiled, measure
from bench.agent.cable import NEAR, Cable
from stack.errors import StackError
from stack.ports import free_port

_START_S: Final = 20.0
_END_S: Final = 120.0
_POLL_S: Final = 0.01
_CAUSES: Final = re.compile(r"(?:lost|capture: \d+) \(([^)]*)\)")


class Cpu(NamedTuple):
    """Processor seconds since the start."""

    workers: float
    sender: float


@dataclass(slots=True)
class Exit:
    """What the agent says at its end."""

    captured: int
    """Frames."""
    messages: int
    """Handed over for sending."""
    sent: int
    lost: dict[str, int] = field(default_factory=dict)
    """By cause; ``kernel`` is what the ring did not take."""


class Agent:
    """One run of hepagent, which sends to ``port`` on the loopback of the cable."""

    def __init__(
        self, cable: Cable, log: Path, port: int, flags: Sequence[str], processors: Sequence[int]
    ) -> None:
        """``processors`` are those that it may use; all when there are none."""
        self._log = log
        command = [sys.executable, "-m", "agent", "-e", "-prometheus", "", *flags]
        command += ["-hs", f"127.0.0.1:{port}"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(cable.command(command, processors), stderr=file)
        self._children: list[int] = []
        self._cpu = Cpu(0.0, 0.0)

    def wait_ready(self) -> None:
        """Until it captures. Raises StackError when it does not."""
        deadline = time.monotonic() + _START_S
        while "capturing" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                message = f"the agent does not start: {self._log.read_text()}"
                raise StackError(message)
            time.sleep(_POLL_S)

    def cpu(self) -> Cpu:
        """What it has taken so far; also afterwards, up to the last look."""
        if not self._children or len(self._children) < 2:
            self._children = sorted(measure.tree(self._process.pid)[1:])
        sender, *workers = self._children or [0]
        found = Cpu(measure.cpu_s(workers), measure.cpu_s([sender]))
        # A process that has ended has no figures any more.
        self._cpu = Cpu(*map(max, found, self._cpu))
        return self._cpu

    def watch(self) -> float:
        """Until the end of its file, with an eye on ``cpu``; returns the seconds of the clock."""
        begun = time.monotonic()
        while self._process.poll() is None:
            if time.monotonic() - begun > _END_S:
                message = "the agent does not come to the end of its file"
                raise StackError(message)
            self.cpu()
            time.sleep(_POLL_S)
        return time.monotonic() - begun

    def stop(self) -> Exit:
        """End it, if it runs, and read its exit line."""
        self._process.terminate()
        self._process.wait(_END_S)
        line = self._log.read_text().rstrip("\n").rpartition("\n")[2]
        numbers = {name: int(n) for n, name in re.findall(r"(\d+) ([a-z ]+)", line)}
        try:
            found = Exit(numbers["captured"], numbers["handed over"], numbers["sent"])
        except KeyError as error:
            message = f"no exit line of the agent: {line}"
            raise StackError(message) from error
        for causes in _CAUSES.findall(line):
            found.lost |= {name: int(n) for name, n in re.findall(r"([a-z_ ]+) (\d+)", causes)}
        return found

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait()


class Sink:
    """Takes and counts what the agent sends."""

    def __init__(self, cable: Cable, processors: Sequence[int]) -> None:
        program = compiled.program("sink", ("agent/sink.c",))
        self.port = free_port()
        command = cable.command([str(program), str(self.port)], processors)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if not self._process.stdout or self._process.stdout.readline() != "ready\n":
            message = "the sink does not start"
            raise StackError(message)

    def end(self) -> int:
        """How many datagrams there were."""
        output, _ = self._process.communicate()
        found: dict[str, int] = json.loads(output)
        return found["datagrams"]

    def kill(self) -> None:
        """End it whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class Played(NamedTuple):
    """What a player did."""

    sent: int
    again: int
    """Times that the interface did not take all that it was given at once."""
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.sent / self.seconds


class Player:
    """Puts the frames of a file on the cable."""

    def __init__(
        self, cable: Cable, file: Path, count: int, rate: float, processors: Sequence[int]
    ) -> None:
        program = compiled.program("player", ("agent/player.c", "clock.h"))
        command = [str(program), NEAR, str(file), str(count), str(rate)]
        self._process = subprocess.Popen(
            cable.command(command, processors), stdout=subprocess.PIPE, text=True
        )

    def wait(self) -> Played:
        """Until all is sent. Raises StackError when it fails."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            message = f"the player ended with status {self._process.returncode}"
            raise StackError(message)
        return Played(**json.loads(output))
