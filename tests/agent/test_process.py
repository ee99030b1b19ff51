# SPDX-License-Identifier: GPL-2.0-or-later
"""hepagent as a whole, in processes of its own: how they begin and how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from stack.ports import free_port
from tests.agent_traffic import sip_request, wait_packets
from tests.fix_agent import PATIENCE_S, StartAgent, StartServer


@pytest.mark.parametrize(("number", "name"), [(0, "sender"), (1, "worker 0")])
def test_a_process_that_dies_ends_the_agent(
    start_agent: StartAgent, start_server: StartServer, number: int, name: str
) -> None:
    """With status 1 and a line that says which and why: the service manager starts it anew."""
    agent = start_agent("-i", "lo", "-hs", f"127.0.0.1:{start_server('udp').port}")
    agent.wait_for("capturing")
    victim = agent.children[number]
    os.kill(victim, signal.SIGKILL)
    assert agent.end() == 1
    assert any(f"{name} (pid {victim}) was killed by SIGKILL" in line for line in agent.lines)
    assert agent.exit_line


def test_the_children_end_with_their_parent(
    start_agent: StartAgent, start_server: StartServer
) -> None:
    """However it ends: nobody captures without somebody who looks after it."""
    agent = start_agent("-i", "lo", "-hs", f"127.0.0.1:{start_server('udp').port}")
    agent.wait_for("capturing")
    children = agent.children
    assert len(children) == 2
    agent.process.kill()
    deadline = time.monotonic() + PATIENCE_S
    while any(_runs(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(child) for child in children)


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_good_end(
    start_agent: StartAgent, start_server: StartServer, number: signal.Signals
) -> None:
    """Both, and the journal in memory is gone with the agent."""
    agent = start_agent("-i", "lo", "-hs", f"127.0.0.1:{start_server('udp').port}")
    agent.wait_for("capturing")
    agent.process.send_signal(number)
    assert agent.end() == 0
    assert agent.exit_line


def test_what_cannot_begin_is_said_with_its_flag(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer
) -> None:
    """And nothing is left running."""
    server = start_server("tcp")
    taken = f"127.0.0.1:{server.port}"
    cases = (
        (("-i", "nosuch0"), "nosuch0"),
        (("-rf", str(tmp_path / "missing.pcap")), "missing.pcap"),
        (("-hin", f"tcp:{taken}"), f"-hin tcp:{taken}: Address already in use"),
        (("-i", "lo", "-prometheus", taken), f"-prometheus {taken}: Address already in use"),
        (("-i", "lo", "-bpf", "no such filter"), "no such filter"),
    )
    for flags, text in cases:
        agent = start_agent(*flags, "-hs", f"127.0.0.1:{free_port()}")
        assert agent.end() == 1, flags
        assert any(text in line for line in agent.lines), (flags, agent.lines)
        assert not any("Traceback" in line for line in agent.lines)


def test_metrics_are_served_while_it_runs(
    start_agent: StartAgent, start_server: StartServer
) -> None:
    """heplify's names, and the agent's own."""
    server = start_server("udp")
    metrics, port = free_port(), free_port()
    agent = start_agent(
        *("-i", "lo", "-pr", str(port), "-hs", f"127.0.0.1:{server.port}"),
        *("-prometheus", f"127.0.0.1:{metrics}"),
    )
    agent.wait_for("capturing")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(sip_request(1), ("127.0.0.1", port))
    wait_packets(server, 1)
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'hepagent_messages_total{cause="found",outcome="total"} 1.0' in text
    assert "\nheplify_connection_status_out 1.0" in text
    assert agent.stop() == 0


def test_an_agent_needs_no_database() -> None:
    """No module of one is loaded by any part of it; a host with the agent has none."""
    script = (
        "import pkgutil, importlib, sys, agent\n"
        "for found in pkgutil.walk_packages(agent.__path__, 'agent.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = Counter(done.stdout.split())
    assert loaded["collector"]
    assert not loaded.keys() & {"psycopg", "psycopg_pool", "aiohttp", "webapi", "stack", "kemi"}
