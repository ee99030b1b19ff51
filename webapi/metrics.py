# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /metrics``: the balance and the state of the capture nodes for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector import __version__
from collector.causes import CAUSES
from collector.output.fate import Fate
from webapi import retention, stats
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.parameters import single
from webapi.sites.sites import State
from webapi.status import read_nodes
from webapi.trace import report
from webapi.trace.proxy import Watched
from webapi.trace.tracing import TRACING

SHOWN_FOR: Final = timedelta(days=1)
"""A capture node that is silent for longer is left out."""

_LABELS: Final = ("capture_node", "journal")
_GAUGES: Final = {
    "waiting": ("kemiscope_journal_messages", "Messages in the journal, not yet stored."),
    "waiting_octets": ("kemiscope_journal_bytes", "Size of the journal."),
    "plain_hops": ("kemiscope_plain_hops", "Ingest processes whose hop is not compiled."),
    "unaccounted": ("kemiscope_unaccounted_messages", "Received without a known fate: must be 0."),
}
_TIMES: Final = {
    "heartbeat_at": ("kemiscope_heartbeat_timestamp_seconds", "Last sign of life of the node."),
    "last_packet_at": ("kemiscope_last_packet_timestamp_seconds", "Arrival of the last packet."),
    "last_commit_at": ("kemiscope_last_commit_timestamp_seconds", "Last commit of messages."),
    "paused_at": ("kemiscope_paused_timestamp_seconds", "Since when storing is paused, if it is."),
}


_OUTPUT_LABELS: Final = ("capture_node", "journal", "output")
_OUTPUT_GAUGES: Final = {
    "running": ("kemiscope_output_running", "1 when the process of the outputs lives."),
    "connected": ("kemiscope_output_connected", "1 when the receiver took the last attempt."),
    "waiting": ("kemiscope_output_backlog_records", "Records that wait for the output."),
    "waiting_octets": ("kemiscope_output_backlog_bytes", "Segments that the output keeps."),
    "last_success_at": (
        "kemiscope_output_last_success_timestamp_seconds",
        "Last time that the output delivered something.",
    ),
}


class Snapshot(Collector):
    """The metrics of one scrape; ``nodes`` is None when the database does not answer."""

    def __init__(
        self,
        nodes: list[dict[str, Any]] | None,
        kept: dict[str, Any] | None = None,
        calls: list[dict[str, Any]] | None = None,
        proxies: Sequence[Watched] = (),
        sites: Sequence[State] = (),
    ) -> None:
        self._nodes = nodes
        self._retention = kept
        self._calls = calls
        self._proxies = proxies
        self._sites = sites

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        up = GaugeMetricFamily("kemiscope_database_up", "1 when the database answers.")
        up.add_metric((), float(self._nodes is not None))
        yield up
        version = GaugeMetricFamily("kemiscope_build_info", "Version.", labels=("version",))
        version.add_metric((__version__,), 1)
        yield version
        if self._nodes is not None:
            yield from self._node_metrics(self._nodes)
            yield from self._output_metrics(self._nodes)
        if self._retention is not None:
            yield from retention.metrics(self._retention)
        if self._calls is not None:
            yield from stats.metrics(self._calls)
        yield from report.metrics(self._proxies)
        answers = GaugeMetricFamily(
            "kemiscope_site_up", "1 when the database of the site answers.", labels=("site",)
        )
        for site in self._sites:
            answers.add_metric((site.name,), float(site.answers))
        yield answers

    @staticmethod
    def _node_metrics(nodes: list[dict[str, Any]]) -> Iterable[Metric]:
        received = CounterMetricFamily(
            "kemiscope_received", "Packets that reached the node's sockets.", labels=_LABELS
        )
        fates = CounterMetricFamily(
            "kemiscope_messages",
            "Received packets by what became of them.",
            labels=(*_LABELS, "outcome", "cause"),
        )
        faults = CounterMetricFamily(
            "kemiscope_hook_faults", "Failed calls of functions in hook.file.", labels=_LABELS
        )
        refused = CounterMetricFamily(
            "kemiscope_calls_refused", "Calls that PostgreSQL did not take.", labels=_LABELS
        )
        for node in nodes:
            labels = (node["name"], str(node["journal_id"]))
            received.add_metric(labels, node["received"])
            faults.add_metric(labels, node["hook_faults"])
            refused.add_metric(labels, node["calls_refused"])
            for cause in CAUSES:
                count = node["causes"].get(cause.label, 0)
                fates.add_metric((*labels, cause.outcome.value, cause.label), count)
        yield received
        yield fates
        yield faults
        yield refused
        for column, (name, text) in (*_GAUGES.items(), *_TIMES.items()):
            gauge = GaugeMetricFamily(name, text, labels=_LABELS)
            for node in nodes:
                value = node[column]
                if value is not None:
                    gauge.add_metric((node["name"], str(node["journal_id"])), _number(value))
            yield gauge

    @staticmethod
    def _output_metrics(nodes: list[dict[str, Any]]) -> Iterable[Metric]:
        outputs = [
            ((node["name"], str(node["journal_id"]), output["output"]), output)
            for node in nodes
            for output in node["outputs"]
        ]
        records = CounterMetricFamily(
            "kemiscope_output_records",
            "Journal records by what became of them at an output.",
            labels=(*_OUTPUT_LABELS, "outcome", "fate"),
        )
        for labels, output in outputs:
            for fate in Fate:
                count = output["fates"].get(fate.value, 0)
                records.add_metric((*labels, fate.outcome, fate.value), count)
        yield records
        for column, (name, text) in _OUTPUT_GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=_OUTPUT_LABELS)
            for labels, output in outputs:
                if output[column] is not None:
                    gauge.add_metric(labels, _number(output[column]))
            yield gauge


def _number(value: Any) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


async def show_metrics(request: web.Request) -> web.Response:
    """The text format of Prometheus; also 200 when the database is away, and says so."""
    single(request.query, ())
    proxies = request.app[TRACING].proxies
    sites = await request.app[CONTEXT].sites.states()
    try:
        nodes = await read_nodes(request.app[CONTEXT])
        kept = await retention.read(request.app[CONTEXT])
        calls = await stats.read_recent(request.app[CONTEXT])
    except ApiError:
        snapshot = Snapshot(None, proxies=proxies, sites=sites)
    else:
        oldest = datetime.now(UTC) - SHOWN_FOR
        recent = [node for node in nodes if node["heartbeat_at"] > oldest]
        snapshot = Snapshot(recent, kept, calls, proxies, sites)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(snapshot)
    return web.Response(
        body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )
