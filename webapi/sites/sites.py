# SPDX-License-Identifier: GPL-2.0-or-later
"""All sites of one application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

from collector.settings import Settings
from collector.settings.sites import parse_places
from webapi.database import Database
from webapi.errors import ApiError, bad_parameter
from webapi.schema import TEXT, Schema, some_of
from webapi.sites.reading import SITE, Reading
from webapi.sites.site import Site

PARAMETER: Final[Schema] = some_of(TEXT, "Names of sites; all of them without.")


class State(NamedTuple):
    """Whether a site answers."""

    name: str
    answers: bool
    code: str | None
    """Why not, as in an error of the API."""
    message: str | None


class Sites:
    """This site, and those of ``sites.databases``."""

    def __init__(self, here: Database, settings: Settings) -> None:
        self._timeout_s = settings.web.query_timeout
        own = settings.sites
        self._others = [
            Site(
                place.name,
                Database(place.dsn, connections=settings.web.connections, timeout_s=own.timeout),
                retry_s=own.retry,
            )
            for place in parse_places(own.databases)
        ]
        self._all = [Site(own.name, here), *self._others]
        self.names = tuple(site.name for site in self._all)
        """This one first."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """While the others can be asked; it does not wait for them."""
        async with AsyncExitStack() as stack:
            for site in self._others:
                await stack.enter_async_context(site.database.pool)
            yield

    @asynccontextmanager
    async def reading(self, asked: str | None = None) -> AsyncIterator[Reading]:
        """Connections to all of them, or to those that the parameter ``site`` names.

        Raises ApiError 400 for an unknown one, 503 when none of them answers.
        """
        wanted = self.names if asked is None else self._named(asked)
        sites = [site for site in self._all if site.name in wanted]
        reading = Reading(sites, self._timeout_s, order=self.names)
        async with reading.connected():
            yield reading

    async def states(self) -> list[State]:
        """Of each of them, when there are several."""
        return await asyncio.gather(*map(_state, self._all)) if self._others else []

    def _named(self, asked: str) -> frozenset[str]:
        found = frozenset(asked.split(","))
        if not found <= frozenset(self.names):
            raise bad_parameter(SITE, f"must be among {', '.join(self.names)}")
        return found


async def _state(site: Site) -> State:
    try:
        async with AsyncExitStack() as stack:
            await site.connect(stack)
    except ApiError as error:
        return State(site.name, False, error.code, str(error))
    return State(site.name, True, None, None)
