# SPDX-License-Identifier: GPL-2.0-or-later
"""What the captured messages occupy, their limits, and what was dropped; written by ingest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from psycopg import sql

from webapi import rows
from webapi.context import Context

LAST_DROPS: Final = 20

_STATE: Final = sql.SQL(
    """
    SELECT DISTINCT ON (journal_id)
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


async def read(context: Context) -> dict[str, Any]:
    """The last look of every capture node, sums of what was dropped, and the last drops."""
    async with context.connection() as connection:
        found = {
            "nodes": await context.query(connection, _STATE),
            "dropped": await context.query(connection, _DROPPED),
            "last": await context.query(connection, _LAST, (LAST_DROPS,)),
        }
    return {name: [rows.plain(row) for row in listed] for name, listed in found.items()}


def metrics(kept: dict[str, Any]) -> Iterable[Metric]:
    """The same for Prometheus."""
    labels = ("kind", "reason")
    for column, name, text in (
        ("octets", "kemiscope_retention_dropped_bytes", "Bytes of dropped partitions."),
        ("messages", "kemiscope_retention_dropped_messages", "Messages in them, about."),
        ("partitions", "kemiscope_retention_dropped_partitions", "Dropped partitions."),
    ):
        counter = CounterMetricFamily(name, text, labels=labels)
        for row in kept["dropped"]:
            counter.add_metric((row["kind"], row["reason"]), row[column])
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
