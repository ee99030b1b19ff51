# SPDX-License-Identifier: GPL-2.0-or-later
"""Search: time slices, keyset pages, a deadline that gives a partial answer.

The tables have a BRIN index on time and a B-tree on Call-ID. A search by time therefore walks the
range in slices from the end that is wanted first, each a bounded read, and stops when the page is
full. When the deadline comes first, the page says how far it got and where to go on.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from webapi.context import fetch
from webapi.errors import ApiError, bad_parameter
from webapi.filters import Condition, conditions
from webapi.parameters import EARLIEST, flag, integer, moment
from webapi.subject import Subject, is_number

DEFAULT_RANGE: Final = timedelta(hours=1)
DEFAULT_LIMIT: Final = 100
_FIRST_SLICE: Final = timedelta(seconds=1)
_SLICE_GROWTH: Final = 4
_EPOCH: Final = EARLIEST
_US: Final = timedelta(microseconds=1)
_LAST_US: Final = 250_000_000_000_000_000  # in the year 9892: a datetime ends soon after
_BEFORE_ANY_ID: Final = -1


class Cursor(NamedTuple):
    """Where the next page begins: beyond this row in the direction of the sort."""

    sort: str
    value: int | str
    ts_us: Annotated[int, msgspec.Meta(ge=0, le=_LAST_US)]
    id: Annotated[int, msgspec.Meta(ge=-1)]
    block: Annotated[int, msgspec.Meta(ge=0, le=32_767)] = 0

    def encode(self) -> str:
        """Text for a URL."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, sort: str) -> Cursor:
        """Raises ApiError if it is none, or was made for another sort."""
        try:
            padded = text + "=" * (-len(text) % 4)
            cursor = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=cls)
            number = is_number(sort.removeprefix("-"))
            fits = isinstance(cursor.value, int) == number and "\0" not in str(cursor.value)
            if cursor.sort == sort and fits:
                return cursor
        except (ValueError, msgspec.DecodeError):
            pass
        raise bad_parameter("cursor", "is not one that this search gave")


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
    by_call_id: bool

    @classmethod
    def parse(
        cls, subject: Subject, parameters: Mapping[str, str], max_rows: int, now: datetime
    ) -> Search:
        """Raises ApiError that names the bad parameter."""
        by_call_id = "call_id" in parameters
        end = moment("to", parameters["to"], now) if "to" in parameters else now + _US
        if "from" in parameters:
            begin = moment("from", parameters["from"], now)
        else:
            begin = _EPOCH if by_call_id else max(_EPOCH, end - DEFAULT_RANGE)
        if begin >= end:
            raise bad_parameter("from", "must be before to")
        sort = parameters.get("sort", "-ts")
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
            Cursor.decode(cursor, sort) if cursor else None,
            flag(subject.payload, parameters.get(subject.payload, "false")),
            by_call_id,
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
    if search.sort != "ts" or search.by_call_id:
        found = await _query(connection, search, search.begin, search.end, search.limit, deadline)
        return _page(search, found)
    return await _run_sliced(connection, search, deadline)


async def _run_sliced(
    connection: AsyncConnection[DictRow], search: Search, deadline: float
) -> Page:
    found: list[DictRow] = []
    reached: datetime | None = None
    for begin, end in slices(search):
        missing = search.limit - len(found)
        try:
            found += await _query(connection, search, begin, end, missing, deadline)
        except ApiError:
            if reached is None:
                raise
            # Everything before this slice was searched: the next page begins here.
            ts_us = (reached - _EPOCH) // _US
            return Page(
                found, Cursor(search.sort_text, ts_us, ts_us, _BEFORE_ANY_ID), complete=False
            )
        reached = begin if search.descending else end
        if len(found) >= search.limit:
            break
    return _page(search, found)


def slices(search: Search) -> Iterator[tuple[datetime, datetime]]:
    """The search's range cut into growing stretches, beginning where its sort begins."""
    begin, end = search.begin, search.end
    length = _FIRST_SLICE
    if search.cursor:
        position = _EPOCH + search.cursor.ts_us * _US
        if search.descending:
            end = min(end, position + _US)
        else:
            begin = max(begin, position)
    while begin < end:
        step = min(length, end - begin)
        if search.descending:
            yield end - step, end
            end -= step
        else:
            yield begin, begin + step
            begin += step
        length *= _SLICE_GROWTH


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
    return await fetch(connection, statement, values, deadline - time.monotonic())


def build(
    search: Search, begin: datetime, end: datetime, limit: int
) -> tuple[sql.Composed, list[Any]]:
    """The statement for one stretch of time and its bound values."""
    parts: list[sql.Composable] = [sql.SQL("ts >= %s AND ts < %s")]
    values: list[Any] = [begin, end]
    for condition, bound in search.conditions:
        parts.append(condition)
        values += bound
    subject = search.subject
    expression = subject.sorts[search.sort]
    keys = [expression] if search.sort == "ts" else [expression, sql.SQL("ts")]
    keys += map(sql.Identifier, subject.order)
    if search.cursor:
        parts.append(
            sql.SQL("({}) {} ({})").format(
                sql.SQL(", ").join(keys),
                sql.SQL("<" if search.descending else ">"),
                sql.SQL(", ").join([sql.Placeholder()] * len(keys)),
            )
        )
        values += [] if search.sort == "ts" else [search.cursor.value]
        values.append(_EPOCH + search.cursor.ts_us * _US)
        values += [getattr(search.cursor, name) for name in subject.order]
    direction = sql.SQL(" DESC" if search.descending else "")
    query = sql.SQL("SELECT {}, {} AS sort_key FROM {} WHERE {} ORDER BY {} LIMIT %s").format(
        subject.select(payload=search.payload),
        expression,
        subject.relation,
        sql.SQL(" AND ").join(parts),
        sql.SQL(", ").join(key + direction for key in keys),
    )
    return query, [*values, limit]


def _page(search: Search, found: list[DictRow]) -> Page:
    if len(found) < search.limit:
        return Page(found, None, complete=True)
    last = found[-1]
    ts_us = (last["ts"] - _EPOCH) // _US
    value = ts_us if search.sort == "ts" else last["sort_key"]
    order = (last[name] for name in search.subject.order)
    return Page(found, Cursor(search.sort_text, value, ts_us, *order), complete=True)
