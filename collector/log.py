# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging: one line per cause and interval, however often the cause occurs."""

from __future__ import annotations

import logging
import time
from itertools import takewhile
from typing import Final

LOGGER: Final = logging.getLogger("kemiscope")

# The pool logs every attempt to connect; we say the same once per interval.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

INTERVAL_S: Final = 60.0
_MAX_KEYS: Final = 1000
_FURTHER: Final = ""
"""The key of all keys beyond that: somebody who invents peers cannot fill the log."""


class LimitedLog:
    """Lets a message with the same key through once per interval, and counts the others."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._last: dict[str, tuple[float, int]] = {}
        """When each key was logged and how often not since then, the oldest first."""

    def warn(self, key: str, message: str) -> None:
        """Log ``message`` as a warning unless ``key`` was logged within the interval."""
        now = time.monotonic()
        if key not in self._last and len(self._last) >= _MAX_KEYS:
            self._forget(now)
            key = key if len(self._last) < _MAX_KEYS else _FURTHER
        last, suppressed = self._last.get(key, (-self._interval_s, 0))
        if now - last < self._interval_s:
            self._last[key] = (last, suppressed + 1)
            return
        self._last.pop(key, None)
        self._last[key] = (now, 0)
        LOGGER.warning("%s%s", one_line(message), f" (+{suppressed} like it)" * bool(suppressed))

    def _forget(self, now: float) -> None:
        """Drop the keys whose interval is over."""
        over = takewhile(lambda item: now - item[1][0] >= self._interval_s, self._last.items())
        for key, _ in list(over):
            del self._last[key]

    def reset(self, key: str) -> None:
        """Let the next message with this key through: the condition had ended."""
        self._last.pop(key, None)


def one_line(text: str) -> str:
    """Text that may come from a packet or a server, without line breaks and control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:1000]
