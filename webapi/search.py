# SPDX-License-Identifier: GPL-2.0-or-later
"""Search: time slices, keyset pages, a deadline that gives a partial answer.

A search by time walks its range in slices from the end that is wanted first, each a bounded read,
and stops when the page is full. When the deadline comes first, the page says how far it got and
where to go on. With an index for what is searched the first slice is longer.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector.correlation.columns import PERIOD_US
from collector.moment import from_us, to_us
from webapi.database import fetch
from webapi.errors import ApiError, bad_parameter
from webapi.filters import Condition, conditions, is_narrow
from webapi.parameters import check_range, flag, integer, time_range
from webapi.subject import Subject, in_bytes

DEFAULT_LIMIT: Final = 100
_FIRST_SLICE: Final = timedelta(seconds=1)
_FIRST_INDEXED_SLICE: Final = timedelta(hours=1)
_SLICE_GROWTH: Final = 4
_ROOM: Final = 1.5
"""A slice that should fill the page is so much longer than what was found lets expect."""
_US: Final = timedelta(microseconds=1)
_LAST_US: Final = 250_000_000_000_000_000  # in the year 9892: a datetime ends soon after
_Stretch: TypeAlias = tuple[datetime, datetime]
_Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class Cursor(NamedTuple):
    """Where the next page begins: beyond this row in the direction of the sort."""

    sort: str
    value: _Integer | float | str
    time_us: Annotated[int, msgspec.Meta(ge=0, le=_LAST_US)]
    order: tuple[_Integer | str, ...] = ()
    """Empty for a moment that no row of it was looked at."""
    site: str = ""
    """Whose row it is, when there are several sites."""

    def encode(self) -> str:
        """Text for a URL."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, subject: Subject, sort: str) -> Cursor:
        """Raises ApiError if it is none, or was made for another search or sort."""
        try:
            padded = text + "=" * (-len(text) % 4)
            cursor = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=cls)
            if cursor.sort == sort and cursor.fits(subject):
                return cursor
        except (ValueError, msgspec.DecodeError):
            pass
        raise bad_parameter("cursor", "is not one that this search gave")

    def fits(self, subject: Subject) -> bool:
        """Whether the types are those of the subject's columns."""
        name = self.sort.removeprefix("-")
        wanted = tuple(subject.order.values())
        return (
            isinstance(self.value, subject.sorts[name].types)
            and tuple(map(type, self.order)) in (wanted, () if name == subject.time else wanted)
            and not any("\0" in str(value) for value in (self.value, *self.order))
        )


@dataclass(frozen=True, slots=True)
class Search:
    """A checked search."""

    subject: Subject
    begin: datetime
    end: datetime
    conditions: list[Condition]
    sort: str
    descending: bool
    limit: int
    cursor: Cursor | None
    payload: bool
    sliced: bool
    """Whether the range is walked in slices."""
    indexed: bool
    """Whether a condition has an index within a time range."""
    from_cursor: bool = False
    """Whether a row at the very place of the cursor is still to be found."""

    @classmethod
    def parse(
        cls,
        subject: Subject,
        parameters: Mapping[str, str],
        max_rows: int,
        now: datetime,
        *,
        max_range: float = 0.0,
    ) -> Search:
        """``max_range`` in s, 0 for any. Raises ApiError that names the bad parameter."""
        everywhere = not subject.everywhere.isdisjoint(parameters)
        begin, end = time_range(parameters, now, None if everywhere else subject.default_range)
        if not everywhere:
            check_range(begin, end, max_range)
        sort = parameters.get("sort", f"-{subject.time}")
        name = sort.removeprefix("-")
        if name not in subject.sorts:
            raise bad_parameter(
                "sort", f"must be among {', '.join(subject.sorts)}, or -… to reverse"
            )
        limit = min(DEFAULT_LIMIT, max_rows)
        if "limit" in parameters:
            limit = integer("limit", parameters["limit"], 1, max_rows)
        cursor = parameters.get("cursor")
        return cls(
            subject,
            begin,
            end,
            conditions(subject.filters, parameters),
            name,
            sort.startswith("-"),
            limit,
            Cursor.decode(cursor, subject, sort) if cursor else None,
            flag(subject.payload, parameters.get(subject.payload, "false")),
            sliced=name == subject.time and not everywhere,
            indexed=any(
                name in subject.indexed and is_narrow(value) for name, value in parameters.items()
            ),
        )

    @classmethod
    def by_time(
        cls,
        subject: Subject,
        span: tuple[datetime, datetime],
        found: list[Condition],
        limit: int,
        *,
        newest: bool,
        by_index: bool,
        payload: bool = True,
    ) -> Search:
        """The first or the newest rows within ``span``. ``by_index``: the conditions have an index
        that finds rows in all times."""
        return cls(
            subject,
            *span,
            found,
            subject.time,
            newest,
            limit,
            cursor=None,
            payload=payload,
            sliced=not by_index,
            indexed=by_index,
        )

    @property
    def sort_text(self) -> str:
        """The parameter's value."""
        return "-" * self.descending + self.sort


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. ``complete`` is False when the deadline came before the page was full."""

    rows: list[DictRow]
    next: Cursor | None
    complete: bool


async def run(connection: AsyncConnection[DictRow], search: Search, timeout_s: float) -> Page:
    """Find one page within ``timeout_s`` seconds; raises ApiError 503 if not even a part of it."""
    deadline = time.monotonic() + timeout_s
    if search.sliced:
        return await _run_sliced(connection, search, deadline)
    found = await _query(connection, search, search.begin, search.end, search.limit, deadline)
    return _page(search, found)


async def _run_sliced(
    connection: AsyncConnection[DictRow], search: Search, deadline: float
) -> Page:
    found: list[DictRow] = []
    reached: datetime | None = None
    walk = slices(search)
    stretch = next(walk, None)
    while stretch:
        begin, end = stretch
        missing = search.limit - len(found)
        try:
            found += await _query(connection, search, begin, end, missing, deadline)
        except ApiError:
            if reached is None:
                raise
            # Everything before this slice was searched: the next page begins here.
            time_us = to_us(reached)
            return Page(found, Cursor(search.sort_text, time_us, time_us), complete=False)
        reached = begin if search.descending else end
        if len(found) >= search.limit:
            break
        stretch = _sent(walk, len(found))
    return _page(search, found)


def _sent(walk: Generator[_Stretch, int | None, None], found: int) -> _Stretch | None:
    try:
        return walk.send(found)
    except StopIteration:
        return None


def slices(search: Search) -> Generator[_Stretch, int | None, None]:
    """The search's range cut into growing stretches, beginning where its sort begins.

    Who sends it how many rows were found so far gets stretches that are not much longer than the
    page needs.
    """
    begin, end = search.begin, search.end
    length = _FIRST_INDEXED_SLICE if search.indexed else _FIRST_SLICE
    if search.cursor:
        position = from_us(search.cursor.time_us)
        if search.descending:
            end = min(end, position + _US)
        else:
            begin = max(begin, position)
    walked = timedelta()
    while begin < end:
        step = min(length, end - begin)
        if search.descending:
            found = yield end - step, end
            end -= step
        else:
            found = yield begin, begin + step
            begin += step
        walked += step
        length *= _SLICE_GROWTH
        if found:
            length = min(length, walked * ((search.limit - found) / found * _ROOM))
            length = max(length, _FIRST_SLICE)


async def _query(
    connection: AsyncConnection[DictRow],
    search: Search,
    begin: datetime,
    end: datetime,
    limit: int,
    deadline: float,
) -> list[DictRow]:
    """Rows of one stretch of time, in order; raises ApiError 503 at the deadline."""
    statement, values = build(search, begin, end, limit)
    # Planned with its values each time: they say which partitions and which index.
    return await fetch(connection, statement, values, deadline - time.monotonic(), prepare=False)


def build(
    search: Search, begin: datetime, end: datetime, limit: int
) -> tuple[sql.Composed, list[Any]]:
    """The statement for one stretch of time and its bound values."""
    subject = search.subject
    moment_key = sql.Identifier(subject.time)
    parts: list[sql.Composable] = [sql.SQL("{0} >= %s AND {0} < %s").format(moment_key)]
    values: list[Any] = [begin, end]
    if subject.filed_within is not None:
        parts.append(sql.SQL("ts >= %s AND ts < %s"))
        values += [begin, end + subject.filed_within]
    if subject.period:
        parts.append(sql.SQL("{} BETWEEN %s AND %s").format(sql.Identifier(subject.period)))
        values += [to_us(begin) // PERIOD_US, to_us(end) // PERIOD_US]
    for condition, bound in search.conditions:
        parts.append(condition)
        values += bound
    expression = subject.sorts[search.sort].expression
    by_time = search.sort == subject.time
    keys: list[sql.Composable] = [moment_key] if by_time else [expression, moment_key]
    keys += (in_bytes(sql.Identifier(name), kind) for name, kind in subject.order.items())
    if search.cursor:
        condition, bound = _beyond(search, search.cursor, keys)
        parts.append(condition)
        values += bound
    direction = sql.SQL(" DESC" if search.descending else "")
    query = sql.SQL("SELECT {}, {} AS sort_key FROM {} WHERE {} ORDER BY {} LIMIT %s").format(
        subject.select(payload=search.payload),
        expression,
        subject.relation,
        sql.SQL(" AND ").join(parts),
        sql.SQL(", ").join(key + direction for key in keys),
    )
    return query, [*values, limit]


def _beyond(search: Search, cursor: Cursor, keys: list[sql.Composable]) -> Condition:
    """Rows that come after the cursor's."""
    moment_reached = from_us(cursor.time_us)
    if not cursor.order:
        comparison = sql.SQL("{} < %s" if search.descending else "{} >= %s")
        return comparison.format(keys[0]), [moment_reached]
    condition = sql.SQL("({}) {} ({})").format(
        sql.SQL(", ").join(keys),
        sql.SQL(("<" if search.descending else ">") + "=" * search.from_cursor),
        sql.SQL(", ").join([sql.Placeholder()] * len(keys)),
    )
    by_time = search.sort == search.subject.time
    return condition, [*([] if by_time else [cursor.value]), moment_reached, *cursor.order]


def _page(search: Search, found: list[DictRow]) -> Page:
    if len(found) < search.limit:
        return Page(found, None, complete=True)
    return Page(found, cursor_behind(search, found[-1]), complete=True)


def cursor_behind(search: Search, row: DictRow) -> Cursor:
    """Where the page begins that goes on behind this row."""
    subject = search.subject
    time_us = to_us(row[subject.time])
    value = time_us if search.sort == subject.time else row["sort_key"]
    return Cursor(search.sort_text, value, time_us, tuple(row[name] for name in subject.order))
