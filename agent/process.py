# SPDX-License-Identifier: GPL-2.0-or-later
"""The parent: opens what is captured from, forks workers and sender, and ends them in order.

The end has three steps, whether by SIGTERM, SIGINT or the end of a file: the workers finish what
they have in hand, the sender delivers what is left as long as that moves, and the exit line says
what became of all. A second signal ends the waiting.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from agent import summary
from agent.children import SIGNALS, Child, fork
from agent.counts import Rows
from agent.flags.options import Options
from agent.log import PROGRAM, Log
from agent.metrics import Figures, MetricsServer
from agent.servers import Servers
from collector import service_manager
from collector.log import LOGGER

TICK_S: Final = 1.0
REPORT_S: Final = 60.0
"""How often the log says what was seen, if there was anything."""
PROGRESS_S: Final = 5.0
"""How often a wait at the end says what it waits for."""
FILE_PATIENCE_S: Final = 60.0
"""At the end of a file: how long servers may take nothing before the rest is given up."""
STOP_PATIENCE_S: Final = 3.0
"""The same when the agent is told to stop, as a service is."""
LONGEST_STOP_S: Final = 30.0
"""Told to stop, it ends after this long even if servers still take something."""
WORKER_S: Final = 10.0
"""A worker that does not stop within this time is killed."""
SENDER_S: Final = 10.0

OK: Final = 0
FAILED: Final = 1
"""A process failed, or a file could not be sent as a whole."""

Work: TypeAlias = Callable[[int, Callable[[], None]], None]
"""What a forked process does. It gets a descriptor that becomes readable when it should stop, and
also when the parent is gone, however that came; and what to call once it has all that it needs."""


class Parent:
    """One run of the agent. Made before the first fork."""

    def __init__(
        self,
        options: Options,
        log: Log,
        rows: Rows,
        servers: Servers,
        metrics: MetricsServer | None,
    ) -> None:
        self._options = options
        self._log = log
        self._rows = rows
        self._servers = servers
        self._metrics = metrics
        self._workers: list[Child] = []
        self._sender: Child | None = None
        self._stop_workers = os.pipe()
        self._stop_sender = os.pipe()
        self._signals = 0
        self._failure: Child | None = None
        self._last_report = ""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def fork_worker(self, name: str, work: Work) -> None:
        """Raises StartError with what keeps the worker from its work."""
        self._workers.append(fork(name, partial(self._in_child, work, self._stop_workers[0])))

    def fork_sender(self, work: Work) -> None:
        """The same. Its stop is the order to end."""
        self._sender = fork("sender", partial(self._in_child, work, self._stop_sender[0]))

    def _in_child(self, work: Work, stop: int, ready: Callable[[], None]) -> None:
        os.close(self._stop_workers[1])
        os.close(self._stop_sender[1])
        self._log.forked()
        if self._metrics:
            self._metrics.close()
        work(stop, ready)

    def abandon(self) -> None:
        """End what was forked; for a start that failed."""
        for child in self._children:
            child.kill()

    @property
    def _children(self) -> list[Child]:
        return [*self._workers, self._sender] if self._sender else self._workers

    def run(self) -> int:
        """Wait for the end and bring it about; returns the exit status."""
        if self._metrics:
            self._metrics.start(Figures(self._rows, self._servers))
        service_manager.tell(service_manager.READY)
        next_report = time.monotonic() + REPORT_S
        while not self._signals and not self._failure and any(w.runs for w in self._workers):
            self._wait(TICK_S)
            if time.monotonic() >= next_report:
                next_report += REPORT_S
                self._report()
        at_end_of_file = not self._signals and not self._failure
        self._end_workers()
        is_sent = self._deliver(at_end_of_file=at_end_of_file)
        self._end_sender()
        if self._failure:
            LOGGER.critical("%s: the agent ends", self._failure.describe())
        self._say(self._describe())
        return OK if not self._failure and (is_sent or not at_end_of_file) else FAILED

    def _wait(self, seconds: float) -> None:
        """For a signal, or so long."""
        found = signal.sigtimedwait(SIGNALS, seconds)
        if found and found.si_signo != signal.SIGCHLD:
            self._signals += 1
            LOGGER.info("%s: stopping", signal.Signals(found.si_signo).name)
        for child in self._children:
            is_new = child.reap()
            ended_early = child is self._sender and self._stop_sender[1] >= 0
            if is_new and (child.failed or ended_early) and not self._failure:
                self._failure = child
        self._log.rotate()
        self._servers.read()
        service_manager.tell(service_manager.ALIVE)

    def _end_workers(self) -> None:
        os.close(self._stop_workers[1])
        self._stop_workers = (self._stop_workers[0], -1)
        deadline = time.monotonic() + WORKER_S
        while any(worker.runs for worker in self._workers) and time.monotonic() < deadline:
            self._wait(0.1)
        for worker in self._workers:
            if worker.runs:
                LOGGER.error("%s does not stop and is killed", worker.name)
                worker.kill()
                self._failure = self._failure or worker

    def _deliver(self, *, at_end_of_file: bool) -> bool:
        """Wait while the servers take what is left; whether nothing is."""
        patience = FILE_PATIENCE_S if at_end_of_file else STOP_PATIENCE_S
        signals = self._signals
        begun = moved = said = time.monotonic()
        last = -1
        while self._sender and self._sender.runs:
            waiting = sum(one.unsent for one in self._servers.read())
            now = time.monotonic()
            if not waiting:
                return True
            if waiting != last:
                last, moved = waiting, now
            if self._signals > signals or now - moved > patience:
                break
            if not at_end_of_file and now - begun > LONGEST_STOP_S:
                break
            if now - said >= PROGRESS_S:
                said = now
                LOGGER.info("waiting for the servers: %s", self._waiting())
            self._wait(0.05)
        waiting = sum(one.unsent for one in self._servers.read())
        if waiting:
            LOGGER.error("not all was sent: %s", self._waiting())
        return not waiting

    def _end_sender(self) -> None:
        os.close(self._stop_sender[1])
        self._stop_sender = (self._stop_sender[0], -1)
        deadline = time.monotonic() + SENDER_S
        while self._sender and self._sender.runs:
            if time.monotonic() > deadline:
                LOGGER.error("the sender does not stop and is killed")
                self._sender.kill()
            else:
                self._wait(0.05)

    def _waiting(self) -> str:
        return ", ".join(
            f"{one.state.target}: {one.unsent} messages left"
            + (f" ({one.state.last_error})" if not one.is_up else "")
            for one in self._servers.read()
            if one.unsent
        )

    def _describe(self) -> str:
        kept = self._options.hep_buffer_activate
        return summary.describe(self._rows.sums(), self._servers.read(), kept=kept)

    def _report(self) -> None:
        text = self._describe()
        if text != self._last_report:
            self._last_report = text
            LOGGER.info("%s", text)

    def _say(self, text: str) -> None:
        """In the log whatever its level, and where somebody sees it."""
        self._log.always(text)
        if not self._log.is_stderr:
            sys.stderr.write(f"{PROGRAM}: {text}\n")
