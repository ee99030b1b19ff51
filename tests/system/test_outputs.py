# SPDX-License-Identifier: GPL-2.0-or-later
"""Relay targets and Loki away for a minute under load: nothing lost, PostgreSQL not delayed."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.load import Load
from stack.ports import free_port
from stack.trial import Trial
from tests.fix_trial import MakeTrial
from tests.loki_server import LokiServer
from tests.receivers import DatagramReceiver, Receiver, StreamReceiver, make_certificate
from tests.system.counts import node, wait_until_all_stored

RATE = 2_000
AWAY_S = 60
AROUND_S = 8
"""Load before and after."""


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[dict[str, Receiver]]:
    """One receiver of each kind; not started."""
    made: dict[str, Receiver] = {
        "tcp": StreamReceiver(free_port()),
        "tls": StreamReceiver(free_port(), make_certificate(tmp_path)),
        "udp": DatagramReceiver(free_port(socket.SOCK_DGRAM)),
    }
    yield made
    for receiver in made.values():
        receiver.stop()


@pytest.fixture
def loki() -> Iterator[LokiServer]:
    """Something that speaks Loki's push API; not started."""
    made = LokiServer(free_port())
    yield made
    made.stop()


def _settings(receivers: dict[str, Receiver], loki: LokiServer, directory: Path) -> dict[str, Any]:
    targets = [f"{name}:127.0.0.1:{item.port}" for name, item in receivers.items()]
    return {
        "relay": {
            "targets": targets,
            "tls_ca": str(directory / "certificate.pem"),
            "udp_rate": 3 * RATE,  # the receivers of this test are threads of one process
        },
        "loki": {"url": f"http://127.0.0.1:{loki.port}"},
        "metrics": {"listen": f"127.0.0.1:{free_port()}", "peers": ["callers=10.1.2.3"]},
    }


def test_targets_and_loki_away_for_a_minute_under_load(
    make_trial: MakeTrial, receivers: dict[str, Receiver], loki: LokiServer, tmp_path: Path
) -> None:
    """TCP, TLS, UDP and Loki each have every message at least once; PostgreSQL exactly once."""
    everybody: list[Receiver | LokiServer] = [*receivers.values(), loki]
    for one in everybody:
        one.start()
    trial = make_trial(**_settings(receivers, loki, tmp_path))
    trial.start_database()
    trial.start_capture()
    seconds = 2 * AROUND_S + AWAY_S
    load = Load(trial.hep_port, RATE * seconds, RATE)
    with ExitStack() as stack:
        stack.callback(load.stop)
        time.sleep(AROUND_S)
        for one in everybody:
            one.stop()
        behind = _longest_queue(trial, AWAY_S)
        for one in everybody:
            one.start()
        sent = load.wait(seconds).sent

    wait_until_all_stored(trial, sent)
    counts = node(trial)
    assert counts["unaccounted"] == 0
    assert counts["kernel"] == 0
    assert behind < 3 * RATE, "PostgreSQL was seconds behind while the outputs were away"
    with trial.connect() as connection:
        assert connection.execute(
            "SELECT count(*), count(DISTINCT via_branch) FROM sip_message"
        ).fetchone() == (sent, sent)

    for name, receiver in receivers.items():
        trial.wait(lambda r=receiver: len(r.numbers) >= sent, name, timeout_s=90)  # type: ignore[misc]
        assert set(receiver.numbers) == set(range(sent)), name
        assert receiver.faults == [], name
    trial.wait(lambda: len(loki.numbers) >= sent, "Loki", timeout_s=90)
    assert set(loki.numbers) == set(range(sent))
    assert loki.faults == []
    trial.wait(lambda: _waiting(trial) == 0, "the outputs' progress", timeout_s=30)
    assert _fates(trial) == {
        name: {"delivered": sent}
        for name in (
            *(f"relay-{kind}-127.0.0.1-{item.port}" for kind, item in receivers.items()),
            *("loki", "metrics"),
        )
    }
    _check_metrics(trial, sent)


def _longest_queue(trial: Trial, seconds: float) -> int:
    """The most messages that waited for PostgreSQL at any moment of so many seconds."""
    deadline = time.monotonic() + seconds
    longest = 0
    while time.monotonic() < deadline:
        time.sleep(1)
        longest = max(longest, node(trial)["waiting"])
    return longest


def _waiting(trial: Trial) -> int:
    with trial.connect() as connection:
        row = connection.execute("SELECT sum(waiting)::bigint FROM output_state").fetchone()
    return int(row[0]) if row else -1


def _fates(trial: Trial) -> dict[str, dict[str, int]]:
    with trial.connect() as connection:
        rows = connection.execute(
            "SELECT output, fate, records FROM output_balance WHERE records > 0"
        ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for output, fate, records in rows:
        found.setdefault(output, {})[fate] = records
    return found


def _check_metrics(trial: Trial, sent: int) -> None:
    url = f"http://{trial.settings.metrics.listen}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["kemiscope_hep_packets_total", ("node", "2001"), ("type", "sip")] == sent
    by_direction = {
        direction: sum(
            value
            for (name, *labels), value in samples.items()
            if name == "kemiscope_sip_messages_total"
            and ("peer", "callers") in labels
            and ("direction", direction) in labels
        )
        for direction in ("src", "dst")
    }
    assert sum(by_direction.values()) == sent
