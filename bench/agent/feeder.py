# SPDX-License-Identifier: GPL-2.0-or-later
"""The sending half of an agent without capture: a worker that appends numbered packets, a sender.

``python -m bench.agent.feeder FIRST RATE [flags of hepagent]`` numbers from FIRST on. What it
prints is one line with its process ids; it ends when its standard input does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent.flags.options import Options, read_options
from agent.sending import sender
from agent.sending.journal import Journal
from bench import mix
from collector.journal.counters import Counters, Field
from collector.journal.record import OTHER_PEER
from collector.output import standing
from collector.output.standing import OutputStatus

_TICK_S: Final = 0.01
_END_S: Final = 20.0


class Feeder:
    """One such agent, as a process of its own that can be killed."""

    def __init__(
        self, first: int, rate: int, flags: Sequence[str], *, prefix: Sequence[str] = ()
    ) -> None:
        """``prefix`` stands before the command, e.g. to run it in a network namespace."""
        self.options = read_options(flags)
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "bench.agent.feeder", str(first), str(rate), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout  # noqa: S101
        line = self._process.stdout.readline().split()
        if not line:
            message = f"the feeder does not start: {self._process.communicate()[1]}"
            raise RuntimeError(message)
        self.parent, self.worker, self.sender = map(int, line[:3])
        self.journal = Path(line[3])

    def journaled(self) -> int:
        """Packets that were appended since the journal was made."""
        counters = Counters(self.journal)
        try:
            return sum(counters.slot(n)[Field.JOURNALED] for n in counters.used_slots())
        finally:
            counters.close()

    def status(self) -> list[OutputStatus]:
        """How the servers do."""
        counters = Counters(self.journal)
        try:
            return standing.read(self.journal, counters)
        finally:
            counters.close()

    def kill(self) -> str:
        """kill -9 of all three; returns the log."""
        for pid in (self.parent, self.worker, self.sender):
            os.kill(pid, 9)
        return self._process.communicate()[1]

    def stop(self) -> None:
        """Kill it if it still runs."""
        if self._process.poll() is None:
            self.kill()

    def end(self) -> str:
        """Stop appending, and end when all is sent, or after a time; returns the log."""
        return self._process.communicate()[1]


def main(arguments: Sequence[str]) -> None:
    """Be a feeder."""
    first, rate = map(int, arguments[:2])
    options = read_options(arguments[2:])
    journal = Journal(options)
    stop_worker, stop_sender = os.pipe(), os.pipe()
    worker = _fork(lambda: _append(journal, first, rate, stop_worker[0]), stop_worker, stop_sender)
    sending = _fork(lambda: _send(options, journal, stop_sender[0]), stop_worker, stop_sender)
    print(os.getpid(), worker, sending, journal.directory, flush=True)
    sys.stdin.read()
    os.close(stop_worker[1])
    os.waitpid(worker, 0)
    _wait_until_sent(journal)
    os.close(stop_sender[1])
    os.waitpid(sending, 0)
    journal.close()


def _fork(work: Callable[[], None], *pipes: tuple[int, int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    for _, end in pipes:
        os.close(end)
    os.close(sys.stdin.fileno())
    try:
        work()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _append(journal: Journal, first: int, rate: int, stop: int) -> None:
    os.set_blocking(stop, False)
    writer = journal.writer()
    packets = mix.packets()
    number = first
    begun = time.monotonic()
    while True:
        due = first + int(rate * (time.monotonic() - begun))
        while number < due:
            if writer.append(mix.fill(packets, number), OTHER_PEER, 0, 0) is not None:
                sys.stderr.write(f"not appended: {writer.last_error}\n")
            number += 1
        try:
            if not os.read(stop, 1):
                break
        except BlockingIOError:
            time.sleep(_TICK_S)
    writer.close()


def _send(options: Options, journal: Journal, stop: int) -> None:
    sender.run(options, journal, stop, lambda: None)


def _wait_until_sent(journal: Journal) -> None:
    counters = Counters(journal.directory)
    deadline = time.monotonic() + _END_S
    while time.monotonic() < deadline:
        if not any(one.unsent for one in standing.read(journal.directory, counters)):
            break
        time.sleep(_TICK_S)
    counters.close()


if __name__ == "__main__":
    main(sys.argv[1:])
