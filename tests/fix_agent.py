# SPDX-License-Identifier: GPL-2.0-or-later
"""hepagent as a process of its own, capture files for it, and servers that it sends to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import dpkt
import pytest

from stack.ports import free_port
from tests.receivers import DatagramReceiver, Receiver, StreamReceiver

ROOT: Final = Path(__file__).parent.parent
PATIENCE_S: Final = 20.0
_OURS: Final = ("-e", "-prometheus", "")
_START_US: Final = 1_800_000_000_000_000


class Agent:
    """One run; its log goes to stderr, where the exit line is the last."""

    def __init__(
        self,
        directory: Path,
        *flags: str,
        before: Sequence[str] = (),
        as_is: bool = False,
        stdin: int | None = subprocess.DEVNULL,
    ) -> None:
        """``before`` is a command that runs the agent, such as one that takes rights away;
        ``as_is`` adds no flag: the log goes to a file, and the metrics have their port.
        """
        environment = {**os.environ, "RUNTIME_DIRECTORY": str(directory), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "agent", *(() if as_is else _OURS), *flags],
            env=environment,
            cwd=directory,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        assert self.process.stderr
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.append(line.rstrip("\n"))

    @property
    def children(self) -> list[int]:
        """Process ids of the sender and the workers, in this order."""
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return sorted(map(int, text.split()))

    def wait_for(self, text: str, lines: int = 1) -> None:
        """Until the log has so many lines with this pattern."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if sum(1 for line in list(self.lines) if re.search(text, line)) >= lines:
                return
            assert self.process.poll() is None or self._reader.is_alive(), "\n".join(self.lines)
            time.sleep(0.02)
        raise AssertionError(f"no {text!r} in:\n" + "\n".join(self.lines))

    def end(self, *, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the end; returns the exit status."""
        status = self.process.wait(timeout_s)
        self._reader.join()
        return status

    def stop(self) -> int:
        """SIGTERM, and wait for the end."""
        self.process.terminate()
        return self.end()

    def kill(self) -> None:
        """End it if it runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()
        assert self.process.stderr
        self.process.stderr.close()

    @property
    def exit_line(self) -> str:
        """The summary."""
        return next(line for line in reversed(self.lines) if "frames: " in line)


StartAgent = Callable[..., Agent]
StartServer = Callable[..., Receiver]


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Starts hepagent with flags; it is ended with the test."""
    agents: list[Agent] = []

    def start(*flags: str, **options: Any) -> Agent:
        agents.append(Agent(tmp_path, *flags, **options))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts a receiver of udp or tcp, which keeps the packets; port 0 for any."""
    servers: list[Receiver] = []

    def start(kind: str, port: int = 0) -> Receiver:
        chosen = port or free_port()
        server = DatagramReceiver(chosen) if kind == "udp" else StreamReceiver(chosen)
        server.keep = True
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def node(start_server: StartServer) -> StreamReceiver:
    """In the place of a capture node: takes HEP over TCP and keeps it."""
    server = start_server("tcp")
    assert isinstance(server, StreamReceiver)
    return server


def write_pcap(path: Path, frames: Iterable[bytes], *, step_us: int = 1000) -> Path:
    """A capture file of Ethernet frames, so many µs apart."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, snaplen=262_144)
        for number, frame in enumerate(frames):
            seconds, microseconds = divmod(_START_US + number * step_us, 1_000_000)
            writer.writepkt_time(frame, seconds + microseconds / 1e6)
    return path
