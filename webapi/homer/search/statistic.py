# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/statistic/…``: figures over time for charts, in the shape that InfluxDB answers.

HOMER passes these questions on to an InfluxDB. Here one database has three measurements, which are
the figures of ``/api/v1/stats``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web
from psycopg import sql
from psycopg.rows import DictRow

from collector.moment import to_text
from webapi import kpi, stats
from webapi.change import read_object
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer
from webapi.homer.search.asked import Range, convert
from webapi.parameters import check_range
from webapi.sites.sums import added

DATABASE: Final = "kemiscope"
RETENTION: Final = "autogen"
_TIME: Final = "time"


class Measurement(NamedTuple):
    """What a chart can be drawn of."""

    fields: Sequence[str]
    query: sql.Composed
    figures: Callable[[DictRow], Mapping[str, Any]]


MEASUREMENTS: Final[Mapping[str, Measurement]] = {
    "calls": Measurement(kpi.SHOWN, stats.calls_query("all", stepped=True), kpi.figures),
    "registrations": Measurement(
        tuple(stats.REGISTRATIONS), stats.registrations_query(()), lambda row: row
    ),
    "messages": Measurement(("messages", "octets"), stats.totals_query(), lambda row: row),
}


class _Wanted(msgspec.Struct):
    main: str = ""
    database: str = DATABASE
    type: list[str] | None = None


class _Param(msgspec.Struct):
    query: list[_Wanted]
    limit: int | None = None


class _Body(msgspec.Struct):
    param: _Param


class _RangedBody(msgspec.Struct):
    timestamp: Range
    param: _Param


async def list_databases(_request: web.Request) -> web.Response:
    """One."""
    return _series("databases", ("name",), [[DATABASE]])


async def list_retentions(_request: web.Request) -> web.Response:
    """One, too: how long they are kept is a setting of ours."""
    columns = ("name", "duration", "shardGroupDuration", "replicaN", "default")
    return _series("", columns, [[RETENTION, "0s", "168h0m0s", 1, True]])


async def list_measurements(_request: web.Request) -> web.Response:
    """Those of the database."""
    return _series("measurements", ("name",), [[name] for name in MEASUREMENTS])


async def list_fields(request: web.Request) -> web.Response:
    """The figures of a measurement."""
    wanted = _last(convert(await read_object(request), _Body).param)
    fields = [[name, "float"] for name in _measurement(wanted).fields]
    return _series(wanted.main, ("fieldKey", "fieldType"), fields)


async def list_tags(request: web.Request) -> web.Response:
    """None: figures of single nodes are a matter of our own API."""
    wanted = _last(convert(await read_object(request), _Body).param)
    _measurement(wanted)
    return _series(wanted.main, ("tagKey",), [])


async def show_figures(request: web.Request) -> web.Response:
    """The figures that the last of the queries asks for, newest first as InfluxDB is asked."""
    asked = convert(await read_object(request), _RangedBody)
    begin, end = asked.timestamp.span()
    context = request.app[CONTEXT]
    check_range(begin, end, context.settings.web.max_range, "timestamp.from")
    begin = begin.replace(second=0, microsecond=0)
    wanted = _last(asked.param)
    measurement = _measurement(wanted)
    names = wanted.type or list(measurement.fields)
    for name in names:
        if name not in measurement.fields:
            raise _illegal("type", name)
    values = {
        "begin": begin,
        "end": end,
        "step": timedelta(seconds=stats.fitting_step((end - begin).total_seconds())),
        "node": None,
        "peer": None,
        "limit": context.settings.web.max_rows,
    }
    async with context.sites.reading() as reading:
        rows = await reading.query(measurement.query, values, prepare=False)
    found = added(reading, rows, (_TIME,))
    limit = asked.param.limit
    listed = found[::-1] if limit is None else found[::-1][: max(0, limit)]
    lines = [_line(row[_TIME], measurement.figures(row), names) for row in listed]
    return _series(wanted.main, (_TIME, *names), lines)


def _line(time: Any, figures: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    return [to_text(time), *(figures.get(name) for name in names)]


def _last(param: _Param) -> _Wanted:
    """HOMER asks the last query alone."""
    if not param.query:
        raise ApiError(400, "bad_parameter", "param.query: is empty", "param.query")
    return param.query[-1]


def _measurement(wanted: _Wanted) -> Measurement:
    if wanted.database != DATABASE:
        raise _illegal("database", wanted.database)
    if wanted.main not in MEASUREMENTS:
        raise _illegal("main", wanted.main)
    return MEASUREMENTS[wanted.main]


def _illegal(name: str, value: str) -> ApiError:
    message = f"param.query: there is no {name} {value[:60]!r}"
    return ApiError(400, "bad_parameter", message, "param.query")


def _series(name: str, columns: Sequence[str], values: list[list[Any]]) -> web.Response:
    series = {"name": name, "columns": columns, "values": values}
    data = {"Results": [{"Series": [series] if values else [], "Messages": None}]}
    return answer.json({"status": "ok", "total": len(data["Results"]), "data": data}, 201)
