# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /metrics`` over a real database, read by Prometheus's own parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from prometheus_client.parser import text_string_to_metric_families
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.causes import CAUSES
from collector.output.fate import Fate
from tests.fix_api import JOURNAL
from tests.webapi.test_status import publish, publish_output

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(client: TestClient[Request, Application]) -> Samples:
    """All samples, by name and labels."""
    answer = await client.get("/metrics", headers={"Host": "127.0.0.1:9080"})
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(await answer.text())
        for sample in family.samples
    }


async def test_every_cause_is_a_series(
    client: TestClient[Request, Application], connection: AsyncConnection[TupleRow]
) -> None:
    """Outcome and cause are labels, and the sums match the balance."""
    await publish(connection)
    samples = await scrape(client)
    node = {("capture_node", "node1"), ("journal", str(JOURNAL))}
    for cause in CAUSES:
        labels = {("outcome", cause.outcome.value), ("cause", cause.label)}
        expected = {"stored": 4.0, "kernel": 2.0, "hep_chunk": 1.0}.get(cause.label, 0.0)
        assert samples["kemiscope_messages_total", frozenset(node | labels)] == expected
    assert samples["kemiscope_received_total", frozenset(node)] == 10
    assert samples["kemiscope_journal_messages", frozenset(node)] == 3
    assert samples["kemiscope_journal_bytes", frozenset(node)] == 4096
    assert samples["kemiscope_unaccounted_messages", frozenset(node)] == 0
    assert samples["kemiscope_plain_hops", frozenset(node)] == 0
    assert samples["kemiscope_database_up", frozenset()] == 1
    assert ("kemiscope_last_commit_timestamp_seconds", frozenset(node)) not in samples
    assert samples["kemiscope_heartbeat_timestamp_seconds", frozenset(node)] > 1.7e9
    paused = "kemiscope_paused_timestamp_seconds", frozenset(node)
    assert paused not in samples
    await connection.execute("UPDATE capture_node SET paused_at = now()")
    assert (await scrape(client))[paused] > 1.7e9


async def test_the_outputs_are_series(
    client: TestClient[Request, Application], connection: AsyncConnection[TupleRow]
) -> None:
    """What waits, what became of the records, whether the receiver is there."""
    await publish(connection)
    await publish_output(connection)
    samples = await scrape(client)
    output = {("capture_node", "node1"), ("journal", str(JOURNAL)), ("output", "loki")}
    for fate in Fate:
        labels = {("outcome", fate.outcome), ("fate", fate.value)}
        expected = {"delivered": 30.0, "backlog": 5.0}.get(fate.value, 0.0)
        assert samples["kemiscope_output_records_total", frozenset(output | labels)] == expected
    assert samples["kemiscope_output_backlog_records", frozenset(output)] == 12
    assert samples["kemiscope_output_backlog_bytes", frozenset(output)] == 4096
    assert samples["kemiscope_output_running", frozenset(output)] == 1
    assert samples["kemiscope_output_connected", frozenset(output)] == 0
    name = "kemiscope_output_last_success_timestamp_seconds"
    assert samples[name, frozenset(output)] > 1.7e9


async def test_recent_calls_are_gauges(
    client: TestClient[Request, Application], connection: AsyncConnection[TupleRow]
) -> None:
    """Of the minutes before the last one, in the units of Prometheus."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for minutes, status in ((0, 200), (2, 200), (2, 486), (3, 503), (3, 0), (30, 200)):
        await connection.execute(
            "INSERT INTO call_minute VALUES (%s, 'edge', '', '', %s, %s, 1, 1, 500, 0, 0, 0, 0)",
            (now - timedelta(minutes=minutes), "failed" if status else "ringing", status),
        )
    samples = await scrape(client)
    labels = frozenset({("node", "edge")})
    assert samples["kemiscope_call_attempts", labels] == 4
    assert samples["kemiscope_call_answered", labels] == 1
    assert samples["kemiscope_call_asr_ratio", labels] == pytest.approx(1 / 3, abs=0.001)
    assert samples["kemiscope_call_pdd_seconds", labels] == 0.5
    assert ("kemiscope_call_duration_seconds", labels) not in samples


async def test_a_node_that_is_gone_for_a_day_is_left_out(
    client: TestClient[Request, Application], connection: AsyncConnection[TupleRow]
) -> None:
    """Old journals do not stay in the metrics for ever."""
    await publish(connection, age="25 hours")
    assert not any(name == "kemiscope_received_total" for name, _ in await scrape(client))
