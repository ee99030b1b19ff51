# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging: one line per cause and interval, however often the cause occurs."""

from __future__ import annotations

import logging
import time
from typing import Final

LOGGER: Final = logging.getLogger("kemiscope")

# The pool logs every attempt to connect; we say the same once per interval.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

INTERVAL_S: Final = 60.0
_MAX_KEYS: Final = 1000


class LimitedLog:
    """Lets a message with the same key through once per interval, and counts the others."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._last: dict[str, tuple[float, int]] = {}

    def warn(self, key: str, message: str) -> None:
        """Log ``message`` as a warning unless ``key`` was logged within the interval."""
        now = time.monotonic()
        last, suppressed = self._last.get(key, (-self._interval_s, 0))
        if now - last < self._interval_s:
            self._last[key] = (last, suppressed + 1)
            return
        if len(self._last) >= _MAX_KEYS:
            self._last.clear()
        self._last[key] = (now, 0)
        LOGGER.warning("%s%s", one_line(message), f" (+{suppressed} like it)" * bool(suppressed))

    def reset(self, key: str) -> None:
        """Let the next message with this key through: the condition had ended."""
        self._last.pop(key, None)


def one_line(text: str) -> str:
    """Text that may come from a packet or a server, without line breaks and control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:1000]
