# SPDX-License-Identifier: GPL-2.0-or-later
"""What all outputs have in common: sessions with their receiver, and pauses between them."""

from __future__ import annotations

import asyncio
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from socket import gaierror
from ssl import SSLError
from typing import Final

from collector.log import LOGGER, LimitedLog, one_line
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from collector.output.portion import Portion

POLL_S: Final = 0.1
"""How often an output that has delivered everything looks for more."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
"""Pause after a failure: doubled up to the longest, with jitter, until something was delivered."""


class Output(ABC):
    """Delivers one backlog; whatever happens to it stays in it."""

    def __init__(self, name: str, backlog: Backlog) -> None:
        self.name = name
        self.backlog = backlog
        self.limited = LimitedLog()
        self.stopping = asyncio.Event()
        self.first_pause_s = FIRST_PAUSE_S

    async def run(self) -> None:
        """Hold sessions until ``stopping``."""
        pause = self.first_pause_s
        while not self.stopping.is_set():
            before = self.backlog.state.last_success
            try:
                await self.session()
            except OSError as error:  # TimeoutError is one
                self.failed(reason_of(error))
            except Exception as error:  # noqa: BLE001 (one output's fault is not another's)
                LOGGER.exception("%s failed", self.name)
                self.failed(f"a fault of its own: {type(error).__name__}: {error}")
            try:
                self.backlog.rewind()
            except OSError as error:
                self.limited.warn("rewind", f"{self.name}: progress not written: {error}")
            if self.backlog.state.last_success > before:
                pause = self.first_pause_s
            await self.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def handed(self) -> Iterable[tuple[Portion, Mapping[Fate, int]]]:
        """Portions that are handed over and not committed, with the fates of their records."""
        return ()

    @abstractmethod
    async def session(self) -> None:
        """Deliver until ``stopping``; raises OSError when the receiver is away."""

    async def wait(self, seconds: float) -> None:
        """Let time pass, but not beyond ``stopping``."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    def connected(self) -> None:
        """The receiver is there."""
        if not self.backlog.state.connected:
            self.backlog.connected()
            self.limited.reset("away")
            LOGGER.info("%s: delivering to %s", self.name, self.backlog.state.target)

    def failed(self, reason: str) -> None:
        """The receiver is away, or something else is wrong that may pass."""
        self.backlog.failed(one_line(reason))
        self.limited.warn("away", f"{self.name}: waiting, the backlog keeps all: {reason}")


def reason_of(error: Exception) -> str:
    """What an operator wants to know of an error."""
    if isinstance(error, OSError) and not isinstance(error, (SSLError, gaierror)) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
