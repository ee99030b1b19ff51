# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/retention``: what the captured messages occupy, their limits, and what was dropped.

All of it is written by ingest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector.moment import to_text
from collector.partitions import parse_bound
from collector.retention import history
from collector.retention.plan import REASONS
from collector.settings.storing import Retention
from collector.tables import KINDS, PARTITIONED
from webapi import rows
from webapi.context import CONTEXT, Context, json_response
from webapi.parameters import single

LAST_DROPS: Final = 20
STEP: Final = timedelta(minutes=15)
"""Of the history, which goes back ``history.KEPT``."""
_LEAST: Final = timedelta(hours=1)
"""What is there of a kind for less time says nothing of what will be."""

_STATE: Final = sql.SQL(
    """
    SELECT DISTINCT ON (journal_id) journal_id,
           capture_node.name AS capture_node, looked_at, octets, octets_limit, disk, disk_used,
           disk_size, disk_limit, findings
      FROM retention_sample
      JOIN capture_node USING (journal_id)
     ORDER BY journal_id, minute DESC
    """
)
_DROPPED: Final = sql.SQL(
    "SELECT kind, reason, partitions, messages, octets FROM retention_dropped ORDER BY kind, reason"
)
_LAST: Final = sql.SQL(
    """
    SELECT dropped_at, kind, partition, range_begin, range_end, messages, octets, reason,
           capture_node
      FROM retention_log
     ORDER BY id DESC LIMIT %s
    """
)
# Of the catalogue alone: what is being dropped would make others wait for its locks.
_PARTITIONS: Final = sql.SQL(
    """
    SELECT parent.relname AS name, pg_get_expr(child.relpartbound, 0) AS bound,
           greatest(child.reltuples, pg_stat_get_live_tuples(child.oid), 0)::bigint AS rows
      FROM pg_inherits
      JOIN pg_class AS child ON child.oid = inhrelid
      JOIN pg_class AS parent ON parent.oid = inhparent
     WHERE parent.relname = ANY(%s) AND parent.relnamespace = 'public'::regnamespace
    """
)
_SIZES: Final = sql.SQL(
    "SELECT {} FROM retention_sample ORDER BY minute DESC, looked_at DESC LIMIT 1"
).format(sql.SQL(", ").join(map(sql.Identifier, history.OCTETS.values())))
# Every node looks at the same tables.
_HISTORY: Final = sql.SQL(
    """
    SELECT date_bin(%(step)s, minute, 'epoch') AS time, {}
      FROM retention_sample WHERE minute >= %(since)s GROUP BY time ORDER BY time
    """
).format(
    sql.SQL(", ").join(
        sql.SQL("max({0}) AS {0}").format(sql.Identifier(name)) for name in history.OCTETS.values()
    )
)
_GROWTH: Final = sql.SQL(history.GROWTH)
_TABLES: Final = {table.name: table.kind for table in PARTITIONED}


async def show_retention(request: web.Request) -> web.Response:
    """What each kind keeps and occupies, how full the limits are, and what was dropped so far."""
    single(request.query, ())
    context = request.app[CONTEXT]
    kept = context.settings.retention
    now = datetime.now(UTC)
    async with context.connection() as connection:
        values = {"step": STEP, "since": now - history.KEPT}
        past = await context.query(connection, _HISTORY, values)
    return json_response(
        {
            "time": to_text(now),
            **await read(context),
            "kinds": await read_kinds(context),
            "precious": kept.precious,
            "failed_only": kept.failed_only,
            "failed_only_s": kept.failed_only_after,
            "step": int(STEP.total_seconds()),
            "history": [{"time": to_text(row["time"]), "octets": _sizes(row)} for row in past],
        }
    )


async def read(context: Context) -> dict[str, Any]:
    """The last look of every capture node, sums of what was dropped, and the last drops."""
    async with context.connection() as connection:
        found = {
            "nodes": await context.query(connection, _STATE),
            "dropped": await context.query(connection, _DROPPED),
            "last": await context.query(connection, _LAST, (LAST_DROPS,)),
        }
        growths = await _read_growths(
            context, connection, [node["journal_id"] for node in found["nodes"]]
        )
    for node in found["nodes"]:
        node["growth"] = growths[node.pop("journal_id")]
    return {name: [rows.plain(row) for row in listed] for name, listed in found.items()}


async def _read_growths(
    context: Context, connection: AsyncConnection[DictRow], journal_ids: list[UUID]
) -> Mapping[UUID, dict[str, Any]]:
    """Bytes per second of each node by name of the span; None where it is not known yet."""
    found: dict[UUID, dict[str, Any]] = {
        journal_id: dict.fromkeys(history.SPANS) for journal_id in journal_ids
    }
    now = datetime.now(UTC)
    for name, span in history.SPANS.items():
        values = history.growth_values(journal_ids, now, span)
        for row in await context.query(connection, _GROWTH, values):
            found[row["journal_id"]][name] = history.growth_of(row)._asdict()
    return found


async def read_kinds(context: Context) -> list[dict[str, Any]]:
    """How much there is of each kind, about, from when on, and how long it is kept."""
    async with context.connection() as connection:
        listed = await context.query(connection, _PARTITIONS, (list(_TABLES),))
        looks = await context.query(connection, _SIZES)
    sizes = _sizes(looks[0]) if looks else dict.fromkeys(KINDS)
    now = datetime.now(UTC)
    filled = [(_TABLES[row["name"]], row) for row in listed if row["rows"]]
    return [
        _kind(
            *(kind, [row for of, row in filled if of == kind], sizes[kind]),
            *(context.settings.retention, now),
        )
        for kind in KINDS
    ]


def _sizes(row: Mapping[str, Any]) -> dict[str, int | None]:
    """Bytes of each kind; None where a look has not said it."""
    return {kind: row[name] for kind, name in history.OCTETS.items()}


def _kind(
    kind: str,
    filled: list[dict[str, Any]],
    octets: int | None,
    kept: Retention,
    now: datetime,
) -> dict[str, Any]:
    spans = filter(None, (parse_bound(row["bound"]) for row in filled))
    begin = min((span[0] for span in spans), default=None)
    kept_s = getattr(kept, kind)
    return {
        "kind": kind,
        "partitions": len(filled),
        "rows": sum(row["rows"] for row in filled),
        "begin": to_text(begin) if begin else None,
        "kept_s": kept_s,
        "octets": octets,
        "octets_expected": _expected(octets, now - begin, kept_s) if begin else None,
    }


def _expected(octets: int | None, held: timedelta, kept_s: float) -> int | None:
    """Bytes when all of ``kept_s`` is there, if as much comes as on average until now."""
    if octets is None or not kept_s or held < _LEAST:
        return None
    return round(octets * max(kept_s / held.total_seconds(), 1))


def metrics(kept: dict[str, Any]) -> Iterable[Metric]:
    """The same for Prometheus.

    A counter begins with 0, for ``increase`` cannot see the first step of one that was not there.
    """
    labels = ("kind", "reason")
    dropped = {values: dict[str, Any]() for values in product(KINDS, REASONS)}
    dropped |= {(row["kind"], row["reason"]): row for row in kept["dropped"]}
    for column, name, text in (
        ("octets", "kemiscope_retention_dropped_bytes", "Bytes of dropped partitions."),
        ("messages", "kemiscope_retention_dropped_messages", "Messages in them, about."),
        ("partitions", "kemiscope_retention_dropped_partitions", "Dropped partitions."),
    ):
        counter = CounterMetricFamily(name, text, labels=labels)
        for values, row in dropped.items():
            counter.add_metric(values, row.get(column, 0))
        yield counter
    for column, name, text in (
        ("octets", "kemiscope_stored_bytes", "Size of all captured messages with indexes."),
        ("octets_limit", "kemiscope_stored_limit_bytes", "retention.max_bytes; 0 is no limit."),
        ("disk_used", "kemiscope_disk_used_bytes", "In use on the database's file system."),
        ("disk_size", "kemiscope_disk_size_bytes", "What it holds when it is full."),
        ("disk_limit", "kemiscope_disk_limit_bytes", "What retention.max_disk_percent allows."),
    ):
        gauge = GaugeMetricFamily(name, text, labels=("capture_node",))
        for row in kept["nodes"]:
            if row["disk"] or not column.startswith("disk"):
                gauge.add_metric((row["capture_node"],), row[column])
        yield gauge
    findings = GaugeMetricFamily(
        "kemiscope_retention_findings", "Limits that cannot be kept.", labels=("capture_node",)
    )
    for row in kept["nodes"]:
        findings.add_metric((row["capture_node"],), len(row["findings"]))
    yield findings
