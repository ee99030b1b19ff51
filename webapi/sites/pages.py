# SPDX-License-Identifier: GPL-2.0-or-later
"""A page of a search through several sites.

Each site is asked for a whole page; the rows come together in the order of the search, and rows at
the same place in the order of the sites. So one cursor is the place where all of them go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from collector.moment import from_us
from webapi import search
from webapi.errors import bad_parameter
from webapi.search import Cursor, Page, Search
from webapi.sites.reading import SITE, Reading


async def run(reading: Reading, wanted: Search, timeout_s: float) -> Page:
    """Find one page within ``timeout_s`` seconds; ``reading`` tells which sites are not in it.

    Raises ApiError 400 for a cursor of a site that is not there, and 503 when no site has even a
    part of it.
    """
    reached = wanted.cursor.site if wanted.cursor else ""
    if reached and reached not in reading.order:
        raise bad_parameter("cursor", "is of a site that is no longer there")

    async def ask(connection: AsyncConnection[DictRow], name: str) -> Page:
        # A row at the place of the cursor was shown if its site comes no later.
        later = bool(reached) and reading.order.index(name) > reading.order.index(reached)
        return await search.run(connection, replace(wanted, from_cursor=later), timeout_s)

    found = await reading.each(ask)
    if not reading.several:
        return found[0][1]
    for name, page in found:
        for row in page.rows:
            reading.label(name, row)
    return merge(wanted, [page for _, page in found])


def merge(wanted: Search, pages: Sequence[Page]) -> Page:
    """One page of those of each site, whose rows have their site."""
    rows = [row for page in pages for row in page.rows]
    rows.sort(key=_place_of(wanted), reverse=wanted.descending)
    stops = [page.next for page in pages if page.next and not page.complete]
    stop: Cursor | None = None
    if stops:
        # Beyond it not all sites have been searched.
        farthest = max if wanted.descending else min
        stop = farthest(stops, key=lambda cursor: cursor.time_us)
        rows = [row for row in rows if _is_before(wanted, row, stop)]
    if len(rows) >= wanted.limit:
        rows = rows[: wanted.limit]
        return Page(rows, _cursor_behind(wanted, rows[-1]), complete=True)
    return Page(rows, stop, complete=stop is None)


def _cursor_behind(wanted: Search, row: DictRow) -> Cursor:
    """The cursor behind a row of one of several sites."""
    return search.cursor_behind(wanted, row)._replace(site=row[SITE])


def _place_of(wanted: Search) -> Callable[[DictRow], tuple[Any, ...]]:
    subject = wanted.subject
    by_time = wanted.sort == subject.time
    names = (*(() if by_time else ("sort_key",)), subject.time, *subject.order)
    return lambda row: tuple(row[name] for name in names)


def _is_before(wanted: Search, row: DictRow, stop: Cursor) -> bool:
    moment = row[wanted.subject.time]
    reached = from_us(stop.time_us)
    return bool(moment >= reached if wanted.descending else moment < reached)
