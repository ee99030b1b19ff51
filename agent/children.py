# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes that the parent has forked: how they begin, and how they ended."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from collector.errors import KemiscopeError
from collector.log import LOGGER, one_line

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
"""The parent waits for them, so they are blocked in it from before the first fork."""
_READY: Final = b"\0"


@dataclass(slots=True)
class Child:
    """One forked process."""

    name: str
    pid: int
    status: int | None = None
    """As ``os.waitpid`` has it; None while it runs."""

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self.status is None

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than with 0."""
        return bool(self.status)

    def describe(self) -> str:
        """How it ended."""
        status = self.status or 0
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            return f"{self.name} (pid {self.pid}) was killed by {signal.Signals(number).name}"
        code = os.waitstatus_to_exitcode(status)
        return f"{self.name} (pid {self.pid}) ended with status {code}"

    def reap(self) -> bool:
        """Take note if it has ended; whether that is new."""
        if self.status is not None:
            return False
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.status = status
        return bool(pid)

    def kill(self) -> None:
        """End it whatever it does, and wait for that."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitpid(self.pid, 0)[1]


class StartError(KemiscopeError):
    """A process cannot begin its work; the message is its own."""


def fork(name: str, work: Callable[[Callable[[], None]], None]) -> Child:
    """Run ``work`` in a process of its own, which leaves SIGTERM and SIGINT to the parent.

    ``work`` calls its argument once it has all that it needs, and only then this returns. What it
    raises before that is raised here as StartError; what it raises later ends the process with
    status 1 and a line in the log.
    """
    answer, question = os.pipe()
    pid = os.fork()
    if pid:
        os.close(question)
        child = Child(name, pid)
        with os.fdopen(answer, "rb") as ready:
            said = ready.read()
        if said != _READY:
            child.status = os.waitpid(pid, 0)[1]
            raise StartError(said.decode() or child.describe())
        return child
    os.close(answer)
    status = 1
    is_ready = False

    def ready_now() -> None:
        nonlocal is_ready
        is_ready = True
        os.write(question, _READY)
        os.close(question)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        work(ready_now)
        status = 0
    except (KemiscopeError, OSError) as error:
        if is_ready:
            LOGGER.error("%s: %s", name, one_line(str(error)))
        else:
            os.write(question, one_line(str(error)).encode())
    except BaseException:  # noqa: BLE001 (it ends here in any case)
        LOGGER.exception("%s: a fault of the agent", name)
    finally:
        logging.shutdown()
        os._exit(status)
