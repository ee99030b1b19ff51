# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/stats``: figures over time, from counters that are kept per minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily, Metric
from psycopg import sql

from collector import capture_loss
from collector.hop import CHALLENGED
from collector.moment import to_text
from webapi import kpi, rows, schema
from webapi.context import CONTEXT, Context, json_response
from webapi.errors import bad_parameter
from webapi.parameters import check_range, duration, single, time_range
from webapi.schema import Parameters
from webapi.sites.reading import SITE
from webapi.sites.sites import PARAMETER
from webapi.sites.sums import added

DEFAULT_RANGE: Final = timedelta(hours=1)
MAX_POINTS: Final = 1500
"""Steps of one answer."""
_POINTS: Final = 120
"""As many or fewer when no step is asked for."""
_STEPS: Final = (60, 300, 900, 3600, 21_600, 86_400)
_MINUTE: Final = 60

# The names of metrics.peers as the outputs show them: a call counts on both sides.
_PEERS: Final = """call_minute CROSS JOIN LATERAL (VALUES
    (src_peer, 'src'), (dst_peer, 'dst'),
    (CASE WHEN src_peer = '' AND dst_peer = '' THEN 'other' ELSE '' END, '')
) AS side (peer, direction)"""
BY: Final[Mapping[str, tuple[str, ...]]] = {
    "all": (),
    "node": ("node",),
    "peer": ("peer", "direction"),
    "src_peer": ("src_peer",),
    "dst_peer": ("dst_peer",),
    "state": ("state",),
    "status": ("status",),
    SITE: (SITE,),
}
"""What calls can be divided by, and the columns for that."""
_MESSAGES_BY: Final = ("node", SITE)
"""What counts of messages can be divided by."""
_KINDS: Final = ("method", "status_class")
_CLASSES: Final = {0: "request", CHALLENGED: "challenge"}
_REGISTER: Final = "method = 'REGISTER'"
REGISTRATIONS: Final = {
    "requests": f"{_REGISTER} AND status_class = 0",
    "challenges": f"{_REGISTER} AND status_class = {CHALLENGED}",
    "successes": f"{_REGISTER} AND status_class = 2",
    "failures": f"{_REGISTER} AND status_class BETWEEN 3 AND 6",
}
"""Counts of messages, and which they are."""
_SUMS: Final = sql.SQL("sum(messages)::bigint AS messages, sum(octets)::bigint AS octets")
_GAUGES: Final = {
    "attempts": ("attempts", "Legs", 1),
    "answered": ("answered", "Answered", 1),
    "asr": ("asr_ratio", "Answer seizure ratio 0 … 1", 0.01),
    "ner": ("ner_ratio", "Network effectiveness ratio 0 … 1", 0.01),
    "ser": ("ser_ratio", "Session establishment ratio 0 … 1", 0.01),
    "seer": ("seer_ratio", "Session establishment effectiveness ratio 0 … 1", 0.01),
    "isa": ("isa_ratio", "Ineffective session attempts 0 … 1", 0.01),
    "pdd_ms": ("pdd_seconds", "Average post-dial delay", 0.001),
    "setup_ms": ("setup_seconds", "Average time to the answer", 0.001),
    "acd_ms": ("duration_seconds", "Average duration", 0.001),
}
"""Figure → name, text and factor to the units of Prometheus."""
CAPTURE: Final = sql.SQL(capture_loss.SERIES)
PARAMETERS: Final[Parameters] = {
    "from": schema.MOMENT,
    "to": schema.MOMENT,
    "step": {**schema.DURATION, "description": "A multiple of one minute."},
    "by": schema.one_of(BY),
    "node": schema.TEXT,
    "peer": schema.TEXT,
    "capture_node": schema.TEXT,
    SITE: PARAMETER,
}

RECENT: Final = timedelta(minutes=5)
_YOUNGEST: Final = timedelta(minutes=1)
"""Calls that began later have no outcome yet."""


async def read_recent(context: Context) -> list[dict[str, Any]]:
    """Figures of the calls of each node that began in the last minutes but one."""
    end = datetime.now(UTC).replace(second=0, microsecond=0) - _YOUNGEST
    values = {
        "begin": end - RECENT,
        "end": end,
        "step": timedelta(seconds=_MINUTE),
        "node": None,
        "peer": None,
        "limit": context.settings.web.max_rows,
    }
    async with context.connection() as connection:
        found = await context.query(connection, calls_query("node", stepped=False), values)
    return [_calls(row, "node") for row in found]


def metrics(recent: list[dict[str, Any]]) -> Iterable[Metric]:
    """The same for Prometheus; what has no base is left out."""
    span = f"calls that began in {RECENT.seconds // _MINUTE} minutes, a minute ago"
    for name, (metric, text, factor) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"kemiscope_call_{metric}", f"{text}, {span}.", labels=("node",))
        for row in recent:
            if row[name] is not None:
                gauge.add_metric((row["node"],), row[name] * factor)
        yield gauge


async def show_stats(request: web.Request) -> web.Response:
    """Calls with their key figures, registrations and messages, for each step of time.

    A retransmission is a message, and so is the copy of a second capture agent; calls and their
    figures know neither.
    """
    parameters = single(request.query, PARAMETERS)
    context = request.app[CONTEXT]
    begin, end = time_range(parameters, datetime.now(UTC), DEFAULT_RANGE)
    check_range(begin, end, context.settings.web.max_range)
    by = parameters.get("by", "all")
    if by not in BY:
        raise bad_parameter("by", f"must be among {', '.join(BY)}")
    begin = begin.replace(second=0, microsecond=0)
    step_s = _step(parameters, (end - begin).total_seconds())
    values = {
        "begin": begin,
        "end": end,
        "step": timedelta(seconds=step_s),
        "node": parameters.get("node"),
        "peer": parameters.get("peer"),
        "capture_node": parameters.get("capture_node"),
        "limit": context.settings.web.max_rows + 1,
    }
    also_by = (by,) if by in _MESSAGES_BY else ()
    messages_by = () if by == SITE else also_by
    asked = (
        (calls_query(by, stepped=True), ("time", *BY[by])),
        (calls_query(by, stepped=False), BY[by]),
        (registrations_query(messages_by), ("time", *also_by)),
        (messages_query(messages_by), ("time", *also_by, *_KINDS)),
        (totals_query(), ("time",)),
        (CAPTURE, ("time",)),
    )
    async with context.sites.reading(parameters.get(SITE)) as reading:
        found = [
            added(reading, await reading.query(statement, values, prepare=False), names)
            for statement, names in asked
        ]
    limit = context.settings.web.max_rows
    cut = (listed[:limit] for listed in found)
    calls, totals, registrations, messages, traffic, capture = cut
    return json_response(
        {
            "from": to_text(begin),
            "to": to_text(end),
            "step": step_s,
            "complete": all(len(listed) <= limit for listed in found) and not reading.missing,
            "missing": reading.told,
            "totals": [_calls(row, by) for row in totals],
            "calls": [_calls(row, by) for row in calls],
            "registrations": [_registrations(row) for row in registrations],
            "messages": [_messages(row) for row in messages],
            "traffic": [rows.plain(row) for row in traffic],
            "capture": [rows.plain(row) for row in capture],
        }
    )


def _step(parameters: Mapping[str, str], range_s: float) -> int:
    """Seconds, a multiple of a minute."""
    if "step" not in parameters:
        return fitting_step(range_s)
    step = duration("step", parameters["step"])
    if not step or step % _MINUTE:
        raise bad_parameter("step", "must be a multiple of one minute")
    if range_s / step > MAX_POINTS:
        raise bad_parameter("step", f"makes more than {MAX_POINTS} points")
    return int(step)


def fitting_step(range_s: float) -> int:
    """Seconds of a step that makes a good chart of a range; longest a day."""
    return next((step for step in _STEPS if range_s / step <= _POINTS), _STEPS[-1])


def calls_query(by: str, *, stepped: bool) -> sql.Composed:
    """Calls by step and what ``by`` says, or over the whole range."""
    columns = ["time"] * stepped + [name for name in BY[by] if name != SITE]
    return sql.SQL(
        """
        SELECT {dimensions} {aggregates}
          FROM (SELECT *, date_bin(%(step)s, minute, 'epoch') AS time FROM {relation}) AS binned
         WHERE minute >= %(begin)s AND minute < %(end)s
           AND (%(node)s::text IS NULL OR node = %(node)s)
           AND (%(peer)s::text IS NULL OR %(peer)s IN (src_peer, dst_peer)) {named}
         {grouping} LIMIT %(limit)s
        """
    ).format(
        dimensions=sql.SQL("").join(sql.SQL("{}, ").format(sql.Identifier(n)) for n in columns),
        aggregates=kpi.AGGREGATES,
        relation=sql.SQL(_PEERS if by == "peer" else "call_minute"),
        named=sql.SQL("AND peer <> ''" if by == "peer" else ""),
        grouping=_grouping(columns),
    )


def registrations_query(by: tuple[str, ...]) -> sql.Composed:
    """Messages of REGISTER by what they mean."""
    return _minutes_query(
        ("time", *by),
        sql.SQL(", ").join(
            sql.SQL(f"coalesce(sum(messages) FILTER (WHERE {condition}), 0)::bigint AS {name}")
            for name, condition in REGISTRATIONS.items()
        ),
        sql.SQL(f"AND {_REGISTER}"),
    )


def messages_query(by: tuple[str, ...]) -> sql.Composed:
    """Messages by method and class of the response."""
    return _minutes_query(("time", *by, *_KINDS), _SUMS, sql.SQL(""))


def totals_query() -> sql.Composed:
    """Messages, all together."""
    return _minutes_query(("time",), _SUMS, sql.SQL(""))


def _minutes_query(
    columns: tuple[str, ...], aggregates: sql.Composable, condition: sql.Composable
) -> sql.Composed:
    return sql.SQL(
        """
        SELECT {dimensions}, {aggregates}
          FROM (SELECT *, date_bin(%(step)s, minute, 'epoch') AS time FROM stat_minute) AS binned
         WHERE minute >= %(begin)s AND minute < %(end)s
           AND (%(node)s::text IS NULL OR node = %(node)s) {condition}
         {grouping} LIMIT %(limit)s
        """
    ).format(
        dimensions=sql.SQL(", ").join(map(sql.Identifier, columns)),
        aggregates=aggregates,
        condition=condition,
        grouping=_grouping(columns),
    )


def _grouping(columns: list[str] | tuple[str, ...]) -> sql.Composable:
    if not columns:
        # Nothing is counted where nothing is.
        return sql.SQL("HAVING count(*) > 0")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("GROUP BY {names} ORDER BY {names}").format(names=names)


def _calls(row: Mapping[str, Any], by: str) -> dict[str, Any]:
    return _dimensions(row, BY[by]) | kpi.figures(row)


def _registrations(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: row[name] for name in REGISTRATIONS}
    # Each challenge is answered by one more request, which is part of the same attempt.
    attempts = max(row["requests"] - row["challenges"], 0)
    return _dimensions(row, _MESSAGES_BY) | {"attempts": attempts} | counts


def _messages(row: Mapping[str, Any]) -> dict[str, Any]:
    number = row["status_class"]
    counts = {name: row[name] for name in ("messages", "octets")}
    what = {"method": row["method"], "class": _CLASSES.get(number, f"{number}xx")}
    return _dimensions(row, _MESSAGES_BY) | what | counts


def _dimensions(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return rows.plain({name: row[name] for name in ("time", *names) if name in row})
