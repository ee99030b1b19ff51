# SPDX-License-Identifier: GPL-2.0-or-later
"""Something that is sent so many times a second, with a number each, until it is enough."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import Final

_TICK_S: Final = 0.02
_BURST: Final = 1000
"""What was missed is sent in pieces that a socket buffer can take."""


class PacedLoad(threading.Thread, ABC):
    """Calls ``send`` with 0, 1, 2 … from ``start`` to ``stop``."""

    def __init__(self, rate: float) -> None:
        """``rate`` a second."""
        super().__init__(daemon=True)
        self.sent = 0
        self._rate = rate
        self._stopping = threading.Event()

    @abstractmethod
    def send(self, number: int) -> None:
        """Send one."""

    def run(self) -> None:
        """Keep to the rate, in small bursts."""
        began = time.monotonic()
        while not self._stopping.wait(_TICK_S):
            due = int((time.monotonic() - began) * self._rate)
            for number in range(self.sent, min(due, self.sent + _BURST)):
                self.send(number)
                self.sent = number + 1

    def stop(self) -> int:
        """End it; returns how many were sent."""
        self._stopping.set()
        self.join()
        return self.sent
