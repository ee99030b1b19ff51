# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules and proxies as they are shown: as JSON and as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.moment import to_text
from webapi import rows
from webapi.trace.book import Book
from webapi.trace.proxy import State, Watched
from webapi.trace.rules import StoredRule


def rule(stored: StoredRule, proxies: Sequence[Watched]) -> dict[str, Any]:
    """A rule, where it is in force, and how many calls each proxy has traced because of it."""
    number = stored.rule.id
    return {
        **stored.shown(),
        "in_force_on": [one.proxy.name for one in proxies if one.has(number)],
        "traced": {one.proxy.name: one.calls[number] for one in proxies if number in one.calls},
    }


def proxy(watched: Watched) -> dict[str, Any]:
    """How a proxy does."""
    return rows.plain(
        {
            "name": watched.proxy.name,
            "url": watched.proxy.url,
            "state": watched.state,
            "since": watched.since,
            "looked_at": watched.looked_at,
            "last_error": watched.last_error,
            "last_error_at": watched.last_error_at,
            "in_force": sorted(watched.in_force),
            "calls_now": watched.tracing,
            "not_traced": watched.not_traced,
            "siptrace": "on" if watched.on else "off",
            "changes": watched.changes,
            "drift": watched.drift,
            "last_drift": [{"at": to_text(at), "what": what} for at, what in watched.last_drift],
            "restarts": watched.restarts,
        }
    )


def database(book: Book) -> dict[str, Any]:
    """Whether the rules can be read; while they cannot, proxies keep those that they have."""
    return {
        "reachable": book.error is None,
        "since": to_text(book.since),
        "last_error": book.error,
    }


def metrics(proxies: Sequence[Watched]) -> Iterable[Metric]:
    """The state of the proxies for Prometheus."""
    ready = GaugeMetricFamily(
        "kemiscope_trace_proxy_ready", "1 when the proxy has the trace rules.", labels=("proxy",)
    )
    active = GaugeMetricFamily(
        "kemiscope_trace_rules", "Trace rules in force on the proxy.", labels=("proxy",)
    )
    calls = GaugeMetricFamily(
        "kemiscope_trace_calls", "Calls that the proxy traces now.", labels=("proxy",)
    )
    drift = CounterMetricFamily(
        "kemiscope_trace_drift", "Trace rules changed by somebody else, mended.", labels=("proxy",)
    )
    for one in proxies:
        labels = (one.proxy.name,)
        is_ready = one.state is State.READY
        ready.add_metric(labels, float(is_ready))
        drift.add_metric(labels, one.drift)
        if is_ready:
            active.add_metric(labels, len(one.in_force))
            calls.add_metric(labels, one.tracing)
    yield from (ready, active, calls, drift)
