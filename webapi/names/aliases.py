# SPDX-License-Identifier: GPL-2.0-or-later
"""The aliases in memory, read again when they have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from psycopg.rows import DictRow

from collector.log import LOGGER
from webapi.context import Context
from webapi.errors import ApiError
from webapi.names import alias
from webapi.names.alias import Alias
from webapi.names.resolver import Resolver

LOOK_S: Final = 1.0
"""How often it is looked whether another process has changed them."""


class Aliases:
    """Of one application."""

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._resolver = Resolver()
        self._version: int | None = None
        self._looked = -LOOK_S
        self._changes = 0
        self._lock = asyncio.Lock()

    async def resolver(self) -> Resolver:
        """Names as they are now, or were a second ago. Raises ApiError 503 without a database.

        Not to be asked for by who holds a connection: it may need one.
        """
        if self._clock() - self._looked >= LOOK_S:
            async with self._lock:
                if self._clock() - self._looked >= LOOK_S:
                    await self._try_to_look()
        return self._resolver

    def changed(self) -> None:
        """This process has changed them: the next one who asks gets the new ones."""
        self._looked = -LOOK_S
        self._changes += 1

    async def _try_to_look(self) -> None:
        looked, changes = self._clock(), self._changes
        try:
            await self._look()
        except ApiError as error:
            if error.code != "query_timeout":
                raise
            # Too busy for names; who asks for calls need not go without them.
            LOGGER.warning("aliases: %s", error)
        if changes == self._changes:
            self._looked = looked

    async def _look(self) -> None:
        async with self._context.connection() as connection:
            (row,) = await self._context.query(connection, alias.VERSION, prepare=True)
            if row["number"] != self._version:
                most = self._context.settings.web.max_aliases
                found = await self._context.query(connection, alias.IN_FORCE, (most,))
                # Long lists take milliseconds; other requests are answered meanwhile.
                self._resolver = await asyncio.to_thread(_compile, found)
                # If they have changed between the two statements they are read once more.
                self._version = row["number"]


def _compile(found: list[DictRow]) -> Resolver:
    return Resolver(Alias(**row) for row in found)


ALIASES: Final = web.AppKey("aliases", Aliases)
