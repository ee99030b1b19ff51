# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions to all sites at once, and which of them gave no answer."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from psycopg import AsyncConnection, Error, ProgrammingError, sql
from psycopg.rows import DictRow

from collector.log import LOGGER, one_line
from webapi.database import as_api_errors, fetch
from webapi.errors import ApiError
from webapi.sites.site import Site

SITE: Final = "site"
"""What a row of several sites is told apart by."""

_Found = TypeVar("_Found")
_Ask: TypeAlias = Callable[[AsyncConnection[DictRow], str], Awaitable[_Found]]


class Missing(NamedTuple):
    """A site that is not part of an answer."""

    site: str
    code: str
    """As in an error of the API."""
    message: str


def text(missing: Iterable[Missing]) -> str:
    """For people."""
    return "; ".join(f"site {one.site}: {one.message}" for one in missing)


def not_found(missing: Collection[Missing], message: str, field: str | None = None) -> ApiError:
    """404, or 503 when what is looked for may be at a site that gives no answer."""
    if not missing:
        return ApiError(404, "not_found", message, field)
    return ApiError(503, "site_missing", f"{message} at the other sites; {text(missing)}", field)


class Reading:
    """Some sites with a connection to each; those that fail are left out from then on."""

    def __init__(self, sites: Sequence[Site], timeout_s: float, *, order: Sequence[str]) -> None:
        """``timeout_s`` is the limit of each query; ``order`` has the names of all sites there
        are."""
        self.several = len(order) > 1
        """Whether rows say whose they are. There may be several and only one that is asked."""
        self.order = tuple(order)
        self._sites = sites
        self._timeout_s = timeout_s
        self._connections: dict[str, AsyncConnection[DictRow]] = {}
        self._errors: dict[str, ApiError] = {}

    @property
    def missing(self) -> list[Missing]:
        """Those that did not answer, in the order of the settings."""
        found = ((name, self._errors.get(name)) for name in self.order)
        return [Missing(name, error.code, str(error)) for name, error in found if error]

    @property
    def told(self) -> list[dict[str, str]]:
        """The same as JSON."""
        return [missing._asdict() for missing in self.missing]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Reading]:
        """While it has its connections. Raises ApiError 503 when no site can be reached."""
        async with AsyncExitStack() as stack:
            if not self.several:
                (site,) = self._sites
                self._connections[site.name] = await site.connect(stack)
            else:
                await self._gather(
                    [(site.name, self._connect(site, stack)) for site in self._sites]
                )
            yield self

    async def each(self, ask: _Ask[_Found]) -> list[tuple[str, _Found]]:
        """What ``ask`` finds at each site, with its name, in the order of the settings.

        Raises ApiError of the first one when none of them answers.
        """
        if not self.several:
            ((name, connection),) = self._connections.items()
            return [(name, await ask(connection, name))]
        return await self._gather(
            [
                (name, self._ask(name, self._connections[name], ask))
                for name in self.order
                if name in self._connections
            ]
        )

    async def query(
        self,
        statement: sql.SQL | sql.Composed,
        values: Sequence[Any] | Mapping[str, Any] = (),
        *,
        prepare: bool | None = None,
    ) -> list[DictRow]:
        """The rows of all sites, one site after the other; raises as ``each``.

        ``prepare`` is as in ``webapi.database.fetch``.
        """

        async def ask(connection: AsyncConnection[DictRow], _: str) -> list[DictRow]:
            return await fetch(connection, statement, values, self._timeout_s, prepare=prepare)

        return [self.label(name, row) for name, rows in await self.each(ask) for row in rows]

    def label(self, name: str, row: DictRow) -> DictRow:
        """The row, which says of which site it is when there are several."""
        if self.several:
            row[SITE] = name
        return row

    async def _connect(self, site: Site, stack: AsyncExitStack) -> None:
        self._connections[site.name] = await site.connect(stack)

    async def _ask(
        self, name: str, connection: AsyncConnection[DictRow], ask: _Ask[_Found]
    ) -> _Found:
        try:
            with as_api_errors():
                return await ask(connection, name)
        except Error as error:
            if name == self.order[0]:
                raise  # It has the schema of this version: a fault of ours.
            LOGGER.warning("site %s: %s", name, one_line(str(error)))
            if isinstance(error, ProgrammingError):
                message = "its database has the tables or rights of another version"
                raise ApiError(503, "database_schema", message) from error
            raise ApiError(503, "database_unavailable", "its database fails") from error

    async def _gather(
        self, asked: Sequence[tuple[str, Awaitable[_Found]]]
    ) -> list[tuple[str, _Found]]:
        """All at the same time. Raises the first error when there is nothing else."""
        outcomes = await asyncio.gather(*(work for _, work in asked), return_exceptions=True)
        found: list[tuple[str, _Found]] = []
        for (name, _), outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, ApiError):
                self._errors[name] = outcome
                self._connections.pop(name, None)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                found.append((name, outcome))
        if not found:
            raise next(error for name in self.order if (error := self._errors.get(name)))
        return found
