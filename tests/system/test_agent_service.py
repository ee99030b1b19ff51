# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent as a service runs it: without root, with heplify's command line, told to stop, and
with more traffic than it can take."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from collector import hep
from collector.hep import Hep
from tests.fix_agent import Agent
from tests.fix_network import Host, MakeNetwork
from tests.receivers import DatagramReceiver
from tests.sip_text import request

_HEP_PORT: Final = 9060
_CAP_NET_RAW: Final = 1 << 13
"""linux/capability.h"""
_NOBODY: Final = 65_534
_UNPRIVILEGED: Final = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs"),
    *("--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw"),
)
_SETTLE_S: Final = 0.3
_PATIENCE_S: Final = 20.0


@pytest.fixture
def host(make_network: MakeNetwork) -> Iterator[Host]:
    """A host with a loopback of its own; this thread is on it."""
    made = make_network().left
    with made.inside():
        yield made


@pytest.fixture
def server(host: Host) -> Iterator[DatagramReceiver]:  # noqa: ARG001 (that is where it listens)
    """What the agent sends to, at the usual port."""
    made = DatagramReceiver(_HEP_PORT)
    made.keep = True
    made.start()
    yield made
    made.stop()


@contextmanager
def _running(directory: Path, *flags: str, **options: object) -> Iterator[Agent]:
    agent = Agent(directory, *flags, **options)  # type: ignore[arg-type]
    try:
        yield agent
    finally:
        agent.kill()


def _send(messages: list[bytes], port: int = 5060) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for message in messages:
            client.sendto(message, ("127.0.0.1", port))


def _received(server: DatagramReceiver, count: int) -> list[Hep]:
    """As many packets, and what comes too much."""
    deadline = time.monotonic() + _PATIENCE_S
    while len(server.packets) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(_SETTLE_S)
    found = [hep.decode(packet) for packet in server.packets]
    return [one for one in found if isinstance(one, Hep)]


def test_the_command_line_of_heplify_works_as_it_is(
    host: Host, server: DatagramReceiver, tmp_path: Path
) -> None:
    """``heplify -i lo -hs ip:9060 -m SIP -dim REGISTER -pr 5060-5090``, with another name."""
    line = f"-i lo -hs 127.0.0.1:{_HEP_PORT} -m SIP -dim REGISTER -pr 5060-5090"
    wanted = [request("INVITE", "1@as-is"), request("OPTIONS", "2@as-is")]
    log = tmp_path / "heplify.log"
    with _running(tmp_path, *line.split(), as_is=True) as agent:
        deadline = time.monotonic() + _PATIENCE_S
        while not (log.exists() and "capturing" in log.read_text()):
            assert time.monotonic() < deadline, agent.lines
            time.sleep(0.05)
        _send([wanted[0], request("REGISTER", "3@as-is")])
        _send([request("INVITE", "4@as-is")], 5091)
        _send([wanted[1]], 5090)
        found = _received(server, 2)
        assert "heplify_" in host.run("curl", "-s", "http://127.0.0.1:8090/metrics")
        assert agent.stop() == 0
    assert [one.payload for one in found] == wanted
    localhost = bytes((127, 0, 0, 1))
    assert {(one.src_ip, one.dst_ip, one.capture_id) for one in found} == {
        (localhost, localhost, 2002)
    }
    assert "1 filtered (method 1)" in log.read_text().splitlines()[-1]


def test_it_needs_no_more_than_cap_net_raw(server: DatagramReceiver, tmp_path: Path) -> None:
    """None of its processes is root's or may do anything else, and a call is captured."""
    wanted = [request("INVITE", "1@nobody")]
    flags = ("-i", "any", "-hs", f"127.0.0.1:{_HEP_PORT}", "-m", "SIP")
    with _running(tmp_path, *flags, before=_UNPRIVILEGED) as agent:
        agent.wait_for("capturing")
        for pid in (agent.process.pid, *agent.children):
            status = Path(f"/proc/{pid}/status").read_text()
            for kind in ("Eff", "Prm", "Bnd"):
                assert _status(status, f"Cap{kind}") == [f"{_CAP_NET_RAW:016x}"]
            assert _status(status, "Uid") == [str(_NOBODY)] * 4
        _send(wanted)
        assert [one.payload for one in _received(server, 1)] == wanted
        assert agent.stop() == 0


def _status(text: str, name: str) -> list[str]:
    found = re.search(rf"^{name}:\s+(.*)$", text, re.MULTILINE)
    assert found
    return found[1].split()


def test_without_that_right_it_says_what_is_missing(
    server: DatagramReceiver, tmp_path: Path
) -> None:
    """And ends with 1, so that the service manager knows."""
    before = [word.replace(",+net_raw", "") for word in _UNPRIVILEGED]
    flags = ("-i", "lo", "-hs", f"127.0.0.1:{server.port}")
    with _running(tmp_path, *flags, before=before) as agent:
        assert agent.end() == 1
        assert any("CAP_NET_RAW" in line for line in agent.lines), agent.lines


def test_sigterm_gives_the_exit_line_and_a_good_end(
    server: DatagramReceiver, tmp_path: Path
) -> None:
    """What was captured until then has been sent, and the line is the last that it says."""
    wanted = [request("OPTIONS", f"{number}@term") for number in range(500)]
    with _running(tmp_path, "-i", "lo", "-hs", f"127.0.0.1:{_HEP_PORT}", "-m", "SIP") as agent:
        agent.wait_for("capturing")
        _send(wanted)
        assert agent.stop() == 0
        assert agent.lines[-1] == agent.exit_line
        assert "500 found, 500 handed over" in agent.exit_line
        assert f"udp:127.0.0.1:{_HEP_PORT}: 500 sent, 0 unsent, 0 lost" in agent.exit_line
    assert [one.payload for one in _received(server, len(wanted))] == wanted


def test_kernel_drops_are_counted_in_the_exit_line(
    server: DatagramReceiver, tmp_path: Path
) -> None:
    """A worker that stands still while its ring fills: every packet is captured or counted."""
    count, long = 8_000, b"x" * 1_000
    flags = ("-i", "lo", "-b", "1", "-s", "2048", "-hs", f"127.0.0.1:{_HEP_PORT}", "-m", "SIP")
    with _running(tmp_path, *flags) as agent:
        agent.wait_for("capturing")
        worker = agent.children[1]
        os.kill(worker, signal.SIGSTOP)
        try:
            _send([request("OPTIONS", f"{number}@drops") + long for number in range(count)])
        finally:
            os.kill(worker, signal.SIGCONT)
        _received(server, 1)
        assert agent.stop() == 0
        line = agent.exit_line
    captured = int(line.partition("frames: ")[2].split()[0])
    found = re.search(r"dropped before capture: (\d+) \(kernel (\d+)\)", line)
    assert found, line
    assert 0 < captured < count
    assert int(found[1]) == int(found[2]) == count - captured
