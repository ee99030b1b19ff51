# SPDX-License-Identifier: GPL-2.0-or-later
"""``-prometheus``: heplify's metrics by their names, and the agent's own by count and by fate."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    UntypedMetricFamily,
)
from prometheus_client.registry import Collector

from agent.count import Count, Unit
from agent.counts import Rows
from agent.servers import Servers

MOST_REQUESTS: Final = 16
"""Served at a time; who comes then is turned away."""
REQUEST_S: Final = 10.0
"""A peer that sends no request for so long is cut off."""
NAMES: Final = {
    Unit.FRAME: ("frames", "Frames, by what became of them."),
    Unit.MESSAGE: ("messages", "Messages, by what became of them."),
    Unit.PACKET: ("dropped_packets", "Packets lost before they were captured."),
    Unit.DATAGRAM: ("datagrams", "Datagrams in fragments."),
    Unit.STREAM: ("streams", "What happened to TCP streams."),
    Unit.CONNECTION: ("connections", "Connections to -hin."),
    Unit.COPY: ("copies", "Frames for the files of -wf."),
    Unit.ADDRESS: ("addresses", "Addresses of RTCP, learnt from SDP."),
    Unit.SCRIPT: ("script_runs", "Runs of -script-file."),
}
"""Metric, behind ``hepagent_``, of each unit, and its help."""


class Figures(Collector):
    """What is true at this moment."""

    def __init__(self, rows: Rows, servers: Servers) -> None:
        self._rows = rows
        self._servers = servers

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        counts = self._rows.sums()
        for unit, (name, text) in NAMES.items():
            family = CounterMetricFamily(f"hepagent_{name}", text, labels=("outcome", "cause"))
            for one in Count:
                if one.unit is unit:
                    family.add_metric((str(one.outcome), one.label), counts[one])
            yield family
        yield GaugeMetricFamily(
            "hepagent_compiled_workers",
            "Workers that read ordinary frames in compiled form.",
            self._rows.compiled_workers,
        )
        yield from self._of_servers()
        yield from self._of_heplify(counts[Count.CONNECTED])

    def _of_servers(self) -> Iterable[Metric]:
        by_server = ("server",)
        connected = GaugeMetricFamily(
            "hepagent_server_up", "1 unless the last attempt to send failed.", labels=by_server
        )
        waiting = GaugeMetricFamily(
            "hepagent_server_waiting_messages", "Messages not yet sent.", labels=by_server
        )
        octets = GaugeMetricFamily(
            "hepagent_server_waiting_bytes", "Their size on the disk.", labels=by_server
        )
        fates = CounterMetricFamily(
            "hepagent_server_messages", "What became of messages.", labels=("server", "fate")
        )
        for one in self._servers.read():
            label = (one.state.target or one.name,)
            connected.add_metric(label, one.is_up)
            waiting.add_metric(label, one.unsent)
            octets.add_metric(label, one.octets)
            for fate, number in one.state.fates.items():
                fates.add_metric((*label, fate.value), number)
        return connected, waiting, octets, fates

    def _of_heplify(self, connections: int) -> Iterable[Metric]:
        """Counters are without type here: Prometheus' own libraries would rename them to _total."""
        servers = self._servers.read()
        yield UntypedMetricFamily(
            "heplify_client_connects_in", "Connections made to -hin.", connections
        )
        yield GaugeMetricFamily(
            "heplify_connection_status_out",
            "1 unless the last attempt to send to any server failed.",
            all(one.is_up for one in servers),
        )
        yield GaugeMetricFamily(
            "heplify_hep_bytes_in_file",
            "Bytes of messages that wait for the server that is furthest behind.",
            max((one.octets for one in servers), default=0),
        )
        yield UntypedMetricFamily(
            "heplify_hep_file_flushes_success",
            "Times that a server was back after an outage.",
            self._servers.recoveries,
        )
        yield UntypedMetricFamily(
            "heplify_hep_file_flushes_error",
            "Times that a server could not be reached.",
            self._servers.failures,
        )
        yield GaugeMetricFamily(
            "heplify_client_in_last_metric_timestamp",
            "When the last message was handed over for sending, s since 1970.",
            self._rows.last_message,
        )


class MetricsServer:
    """Answers ``GET /metrics``. Listens from the start, serves from ``start`` on."""

    def __init__(self, listen: tuple[str, int]) -> None:
        """``listen`` without an address is on all. Raises OSError that names the flag."""
        host, port = listen
        self._thread: threading.Thread | None = None
        try:
            self._server = _Server(host, port)
        except OSError as error:
            message = f"-prometheus {host}:{port}: {error.strerror or error}"
            raise OSError(error.errno, message) from error

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def start(self, figures: Collector) -> None:
        """Serve in a thread; after all forks."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(figures)
        self._server.show = lambda: generate_latest(registry)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve no more; in a process that was just forked, too: the port is the parent's."""
        if self._thread:
            self._server.shutdown()  # or it would look for ever at a socket that is closed
            self._thread.join()
        self._server.socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int) -> None:
        self.show: Callable[[], bytes] = bytes
        self._free = threading.BoundedSemaphore(MOST_REQUESTS)
        everywhere = not host and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
        super().__init__(("::" if everywhere else host, port), _Request)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            only = int(self.server_address[0] != "::")
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        # Not that of HTTPServer, which asks the DNS for its own name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away is no news."""


class _Request(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] not in ("/metrics", "/metrics/"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = self.server.show()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Not a line per request."""
