# SPDX-License-Identifier: GPL-2.0-or-later
"""One client of a live stream: what waits to be written to it, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from webapi.live.group import Filters
from webapi.live.position import EventId

MAX_WAITING: Final = 4 << 20
"""Bytes that wait for a client; with more it is too slow."""


class Listener:
    """The poller offers blocks, the handler of the request writes them."""

    def __init__(self, filters: Filters, since: EventId | None, gap: str = "") -> None:
        """``since`` is what the client asks to go on from; ``gap`` says why it cannot."""
        self.filters = filters
        self.since = since
        self.gap = gap
        self.ready = False
        """Whether it knows that everything from now on is shown."""
        self.told_unavailable = False
        self.dropped = False
        self._blocks: deque[bytes] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Bytes."""
        return self._waiting

    def offer(self, block: bytes) -> None:
        """Queue a block; when too much waits, everything is let go and ``dropped`` set."""
        if self.dropped:
            return
        if self._waiting + len(block) > MAX_WAITING:
            self._blocks.clear()
            self._waiting = 0
            self.dropped = True
        else:
            self._blocks.append(block)
            self._waiting += len(block)
        self._changed.set()

    async def take(self, timeout_s: float) -> bytes:
        """The next block; empty when none came in time or the client is dropped."""
        if not self._blocks and not self.dropped:
            self._changed.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                return b""
        if not self._blocks:
            return b""
        block = self._blocks.popleft()
        self._waiting -= len(block)
        return block
