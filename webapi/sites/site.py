# SPDX-License-Identifier: GPL-2.0-or-later
"""One site: its name, its database, and whether that was away a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from webapi.database import Database
from webapi.errors import ApiError


class Site:
    """A database by the name of its place."""

    def __init__(
        self,
        name: str,
        database: Database,
        *,
        retry_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A database that was away is not asked again for ``retry_s``."""
        self.name = name
        self.database = database
        self._retry_s = retry_s
        self._clock = clock
        self._away: tuple[float, ApiError] | None = None
        """Until when it is left out, and why."""

    async def connect(self, stack: AsyncExitStack) -> AsyncConnection[DictRow]:
        """A connection that goes back when ``stack`` ends.

        Raises ApiError 503, and at once when it has just been tried in vain: otherwise everybody
        would wait for it again.
        """
        if self._away and self._clock() < self._away[0]:
            raise self._away[1]
        try:
            connection = await stack.enter_async_context(self.database.connection())
        except ApiError as error:
            self._away = self._clock() + self._retry_s, error
            raise
        self._away = None
        return connection
