# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that stand for somebody who has just signed in, for HOMER's page to fetch the rest."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Final

from collector.api_token import digest

LIFETIME_S: Final = 60.0
ROOM: Final = 10_000
_BYTES: Final = 32


class OneTimeKeys:
    """Each is good once, for a minute. They are in memory: a restart forgets them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: dict[bytes, tuple[int, float]] = {}

    def add(self, user_id: int) -> str:
        """A key for this user."""
        while len(self._found) >= ROOM:
            del self._found[next(iter(self._found))]
        key = secrets.token_urlsafe(_BYTES)
        self._found[digest(key)] = (user_id, self._clock() + LIFETIME_S)
        return key

    def take(self, key: str) -> int | None:
        """The user; None if it was never given, is too old, or has been taken."""
        user_id, until = self._found.pop(digest(key), (None, 0.0))
        return user_id if until > self._clock() else None
