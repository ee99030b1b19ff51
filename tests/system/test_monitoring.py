# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Prometheus during the demo: every expression of dashboard and alerts gives data."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from stack.demo.calls import Demo
from stack.monitoring.panels import ROWS
from stack.ports import free_port
from stack.trial import Trial
from tests.fix_agent import Agent
from tests.page_rows import played
from tests.prometheus import Prometheus, without_comparison
from tests.receivers import DatagramReceiver

CALLS = 60
"""That began in the five minutes before the last one."""
PATIENCE_S = 60.0
VARIABLES = {"$capture_node": ".*", "$__rate_interval": "20s", "[1h]": "[20s]"}
"""What Grafana puts in; the hour of a number is shorter, because the demo is."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes a node with all its outputs, the demo's web API, and an agent."""
    directory = tmp_path_factory.mktemp("monitoring")
    traffic, agent_port = free_port(), free_port()
    with ExitStack() as closing:
        relayed = DatagramReceiver(free_port(socket.SOCK_DGRAM))
        relayed.start()
        closing.callback(relayed.stop)
        trial = Trial(
            directory / "stack",
            {
                "metrics": {"listen": f"127.0.0.1:{traffic}"},
                "relay": {"targets": [f"udp:127.0.0.1:{relayed.port}"]},
                "retention": {"max_bytes": 1 << 40},
            },
        )
        closing.callback(trial.stop)
        trial.start_database()
        trial.start_capture()
        trial.start_webapi()
        agent = Agent(
            directory,
            *("-i", "lo", "-hs", f"127.0.0.1:{trial.hep_port}"),
            *("-e", "-prometheus", f"127.0.0.1:{agent_port}"),
            as_is=True,
        )
        closing.callback(agent.kill)
        demo = closing.enter_context(Demo(trial, directory / "demo"))
        demo.rules.trace_all()
        made = Prometheus(
            directory / "prometheus",
            {
                "127.0.0.1:9080": f"127.0.0.1:{demo.rules.port}",
                "127.0.0.1:9096": f"127.0.0.1:{traffic}",
                "127.0.0.1:8090": f"127.0.0.1:{agent_port}",
            },
        )
        made.start()
        closing.callback(made.stop)
        _send_calls(trial.hep_port)
        demo.place_all()
        yield made


def test_every_expression_of_the_dashboard_gives_data(prometheus: Prometheus) -> None:
    """Each query of each chart, with what Grafana puts in for its variables."""
    expressions = {
        f"{panel.title}: {target.expr}": _filled(target.expr)
        for row in ROWS
        for panel in row.panels
        for target in panel.targets
    }
    assert _without_data(prometheus, expressions) == {}


def test_every_alert_has_data_and_none_fires(prometheus: Prometheus) -> None:
    """Without its comparison each expression gives at least one series."""
    expressions = {
        name: without_comparison(query).replace("[5m]", "[20s]")
        for name, query in prometheus.rules().items()
    }
    assert len(expressions) > 15
    assert _without_data(prometheus, expressions) == {}
    assert prometheus.firing() == set()


def _filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def _without_data(prometheus: Prometheus, expressions: dict[str, str]) -> dict[str, str]:
    """Which expressions have given no series until the time was up."""
    left = dict(expressions)
    deadline = time.monotonic() + PATIENCE_S
    while left and time.monotonic() < deadline:
        left = {name: query for name, query in left.items() if not _gives(prometheus, query)}
        time.sleep(0.5)
    return left


def _gives(prometheus: Prometheus, query: str) -> bool:
    try:
        return bool(prometheus.query(query))
    except OSError:
        return False


def _send_calls(port: int) -> None:
    until = datetime.now(UTC) - timedelta(seconds=80)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for flow in played(CALLS, until, every_s=3.0):
            for message in flow.messages:
                sender.sendto(message.packet, ("127.0.0.1", port))
            time.sleep(0.005)
