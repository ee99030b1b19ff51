# SPDX-License-Identifier: GPL-2.0-or-later
"""Work on passwords off the event loop: a few at a time, and not too many that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from webapi.errors import ApiError

_T = TypeVar("_T")


class Threads:
    """Of one kind of work."""

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self.room = at_once + waiting
        """How many more are taken."""

    async def run(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns or raises. Raises ApiError 503 if busy."""
        if self.room <= 0:
            message = "too many passwords are being checked; try again in a moment"
            raise ApiError(503, "busy", message)
        self.room -= 1
        future = self._threads.submit(work)
        # Not when the request ends: a client who goes away leaves its work to be done.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True)

    def _leave(self) -> None:
        self.room += 1
