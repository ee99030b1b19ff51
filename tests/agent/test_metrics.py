# SPDX-License-Identifier: GPL-2.0-or-later
"""-prometheus: heplify's names, the agent's own, and a server that nobody can hold up."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.count import Count, Outcome, Unit
from agent.counts import LAST_MESSAGE, Rows
from agent.metrics import MOST_REQUESTS, NAMES, Figures, MetricsServer
from agent.servers import Servers
from collector.journal.writer import Writer
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from tests.fix_journal import OpenWriter, append

_HEPLIFY: Final = {
    "heplify_client_connects_in",
    "heplify_connection_status_out",
    "heplify_hep_bytes_in_file",
    "heplify_hep_file_flushes_success",
    "heplify_hep_file_flushes_error",
    "heplify_client_in_last_metric_timestamp",
}
_SERVER: Final = "relay-udp-192.0.2.1-9060"


class Trial:
    """A metrics server over figures of the test."""

    def __init__(self, journal: Path, writer: Writer) -> None:
        self.rows = Rows(2)
        self.writer = writer
        self.servers = Servers(journal, [_SERVER])
        self.backlog = Backlog(journal, _SERVER, self.servers.counters, "udp:192.0.2.1:9060")
        self.server = MetricsServer(("127.0.0.1", 0))
        self.server.start(Figures(self.rows, self.servers))

    def read(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All samples by name and labels."""
        url = f"http://127.0.0.1:{self.server.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One sample."""
        return self.read()[name, frozenset(labels.items())]


@pytest.fixture
def trial(journal: Path, open_writer: OpenWriter) -> Iterator[Trial]:
    """Ended with the test."""
    found = Trial(journal, open_writer(outputs={_SERVER: 1 << 30}))
    yield found
    found.server.close()
    found.backlog.close()


def test_heplify_s_metrics_have_their_names(trial: Trial) -> None:
    """Dashboards and alarms go on."""
    names = {name for name, _ in trial.read()}
    assert names >= _HEPLIFY
    trial.rows.row(0)[Count.CONNECTED] = 3
    trial.rows.row(1)[LAST_MESSAGE] = 1_800_000_000
    assert trial.value("heplify_client_connects_in") == 3
    assert trial.value("heplify_client_in_last_metric_timestamp") == 1_800_000_000


def test_every_count_is_a_metric(trial: Trial) -> None:
    """Summed over workers, with what became of it and why."""
    assert set(NAMES) == set(Unit)
    for one in Count:
        trial.rows.row(0)[one] = int(one) + 1
        trial.rows.row(1)[one] = 100
    samples = trial.read()
    for one in Count:
        labels = frozenset({("outcome", str(one.outcome)), ("cause", one.label)})
        assert samples[f"hepagent_{NAMES[one.unit][0]}_total", labels] == int(one) + 101
    assert {outcome for one in Count if (outcome := one.outcome)} <= set(Outcome)


def test_a_server_that_is_away_and_back(trial: Trial) -> None:
    """Its state, what waits for it and what became of the rest; ups and downs are counted."""
    label = {"server": "udp:192.0.2.1:9060"}
    trial.backlog.save()
    assert trial.value("heplify_connection_status_out") == 1
    append(trial.writer, b"HEP3\0\6", b"HEP3\0\6")
    trial.backlog.failed("Connection refused")
    trial.backlog.save()
    assert trial.value("hepagent_server_up", **label) == 0
    assert trial.value("heplify_connection_status_out") == 0
    assert trial.value("hepagent_server_waiting_messages", **label) == 2
    assert trial.value("heplify_hep_bytes_in_file") > 0
    assert trial.value("heplify_hep_file_flushes_error") == 1
    portion = trial.backlog.read()
    assert portion
    trial.backlog.connected()
    trial.backlog.commit(portion, {Fate.DELIVERED: 2})
    trial.backlog.save()
    assert trial.value("heplify_connection_status_out") == 1
    assert trial.value("heplify_hep_file_flushes_success") == 1
    assert trial.value("heplify_hep_bytes_in_file") == 0
    assert trial.value("hepagent_server_messages_total", fate="delivered", **label) == 2


def test_only_metrics_are_served(trial: Trial) -> None:
    """Nothing else is here."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{trial.server.port}/", timeout=10)
    assert caught.value.code == 404
    caught.value.close()


def test_peers_that_send_nothing_do_not_fill_it(trial: Trial) -> None:
    """So many are served at a time, the others are turned away at once."""
    silent = [
        socket.create_connection(("127.0.0.1", trial.server.port)) for _ in range(MOST_REQUESTS)
    ]
    try:
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", trial.server.port)) as further:
            further.settimeout(5)
            assert further.recv(1) == b""
    finally:
        for peer in silent:
            peer.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert trial.read()
            break
        except OSError:
            time.sleep(0.05)
    else:
        pytest.fail("it does not serve any more")


def test_a_port_without_an_address_is_on_all_of_them() -> None:
    """As heplify's default :8090."""
    server = MetricsServer(("", 0))
    try:
        server.start(Figures(Rows(1), _NoServers()))
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, server.port), timeout=5):
                pass
    finally:
        server.close()


def test_a_port_that_is_taken_is_an_error_that_names_the_flag() -> None:
    """And not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"-prometheus 127.0.0.1:{port}: Address already in use"):
            MetricsServer(("127.0.0.1", port))


class _NoServers(Servers):
    def __init__(self) -> None:
        self.failures = self.recoveries = 0

    def read(self) -> list[object]:  # type: ignore[override]
        return []
