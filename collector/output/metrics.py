# SPDX-License-Identifier: GPL-2.0-or-later
"""``/metrics`` of the output process: the figures of ``kpi`` in the text format of Prometheus."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from collector.output.backlog import Backlog
from collector.output.kpi import Figures
from collector.output.output import POLL_S, Output
from collector.output.series import BUCKETS_S, Count, Key
from collector.peers import Peers
from collector.selection import Selection
from collector.settings import Settings
from collector.settings.endpoint import parse_host_port

_PEER: Final = ("peer", "direction")
_BOUNDS: Final = (*map(str, BUCKETS_S), "+Inf")
_QUALITY: Final = {
    "loss": ("loss_ratio", "Share of RTP packets lost, as reported."),
    "jitter": ("jitter_seconds", "Jitter, where the report has it as a time."),
    "jitter_units": ("jitter_timestamp_units", "Jitter in RTP timestamp units, as RTCP has it."),
    "round_trip": ("round_trip_seconds", "Round trip time, as reported."),
    "latency": ("latency_seconds", "One-way delay, as reported."),
    "mos": ("mos", "Mean opinion score, as reported; from X-RTP-Stat computed."),
    "r_factor": ("r_factor", "R-factor, as reported."),
}


class MetricsServer(Output):
    """Counts the journal's records and answers Prometheus. Starts from 0 with its process."""

    def __init__(
        self, name: str, backlog: Backlog, settings: Settings, selection: Selection
    ) -> None:
        super().__init__(name, backlog)
        self._listen = parse_host_port(settings.metrics.listen)
        peers = Peers(settings.metrics.peers)
        self._figures = Figures(peers, selection, settings.metrics.max_series)

    async def session(self) -> None:
        """Serve and count for ever. Raises OSError if the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._show)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, *self._listen).start()
            self.connected()
            while not self.stopping.is_set():
                portion = self.backlog.read()
                if portion:
                    fates = Counter(map(self._figures.add, portion.records))
                    self.backlog.commit(portion, fates)
                    await asyncio.sleep(0)
                else:
                    await self.wait(POLL_S)
        finally:
            await runner.cleanup()

    async def _show(self, _request: web.Request) -> web.Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Snapshot(self._figures))
        body = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


class Snapshot(Collector):
    """A copy of the figures: they go on changing while the text is made."""

    def __init__(self, figures: Figures) -> None:
        self._packets = _copy(figures.packets.numbers)
        self._messages = _copy(figures.messages.numbers)
        self._causes = _copy(figures.causes.numbers)
        self._quality = {name: _copy(item.numbers) for name, item in figures.quality.items()}
        self._delays = [
            {key: (list(item.counts), item.total) for key, item in series.numbers.items()}
            for series in (figures.session_delays, figures.registration_delays)
        ]

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        by_type = ("node", "type")
        yield _counter("kemiscope_hep_packets", "HEP packets.", by_type, self._packets)
        octets = CounterMetricFamily(
            "kemiscope_hep_payload_bytes", "Payload bytes of HEP packets.", labels=by_type
        )
        for key, count in self._packets.items():
            octets.add_metric(key, count.total)
        yield octets
        yield _counter(
            "kemiscope_sip_messages",
            "SIP messages; response is the status code, or the method of a request.",
            (*_PEER, "method", "response"),
            self._messages,
        )
        yield _counter(
            "kemiscope_sip_q850_causes",
            "Reason headers with a Q.850 cause.",
            (*_PEER, "cause", "method"),
            self._causes,
        )
        yield from self._histograms()
        for name, (metric, text) in _QUALITY.items():
            summary = SummaryMetricFamily(
                f"kemiscope_quality_{metric}", text, labels=(*_PEER, "report")
            )
            for key, count in self._quality[name].items():
                summary.add_metric(key, count.count, count.total)
            yield summary

    def _histograms(self) -> Iterable[Metric]:
        for delays, name, text in zip(
            self._delays,
            (
                "kemiscope_sip_session_request_delay_seconds",
                "kemiscope_sip_registration_request_delay_seconds",
            ),
            ("INVITE to 18x or 2xx (RFC 6076).", "REGISTER to 2xx (RFC 6076)."),
            strict=True,
        ):
            family = HistogramMetricFamily(name, text, labels=_PEER)
            for key, (counts, total) in delays.items():
                buckets = list(zip(_BOUNDS, accumulate(counts), strict=True))
                family.add_metric(key, buckets, total)
            yield family


def _copy(numbers: Mapping[Key, Count]) -> dict[Key, Count]:
    return {key: replace(count) for key, count in numbers.items()}


def _counter(
    name: str, text: str, labels: tuple[str, ...], numbers: Mapping[Key, Count]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in numbers.items():
        family.add_metric(key, count.count)
    return family
