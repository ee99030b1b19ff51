# SPDX-License-Identifier: GPL-2.0-or-later
"""A server away under load: nothing lost, nothing twice after it returns; kills meanwhile."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bench.agent.feeder import Feeder
from collector.journal.counters import Counters
from collector.output import standing
from collector.output.fate import Fate
from stack.ports import free_port
from tests.receivers import DatagramReceiver, Receiver, StreamReceiver

RATE = 1000
AWAY_S = 3.0
SHORT_S = 1.0
RESET = "Connection reset by peer"
KINDS = ("udp", "tcp")


@pytest.fixture(params=KINDS)
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    """A server; started."""
    made: Receiver
    if request.param == "udp":
        made = DatagramReceiver(free_port(socket.SOCK_DGRAM))
    else:
        made = StreamReceiver(free_port())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Feeder]]:
    """Start an agent for a receiver; with a spool on disk when told so."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    running: list[Feeder] = []

    def start(receiver: Receiver, first: int = 0, *, spool: bool = False) -> Feeder:
        flags = ["-hs", f"127.0.0.1:{receiver.port}", "-nt", receiver.kind]
        if spool:
            flags += ["-hep-buffer-activate", "-hep-buffer-file", str(tmp_path / "spool")]
        feeder = Feeder(first, RATE, flags)
        running.append(feeder)
        return feeder

    yield start
    for feeder in running:
        feeder.stop()


def _wait(condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


def _check_once(receiver: Receiver, sent: int) -> None:
    assert receiver.faults == []
    assert set(receiver.numbers) == set(range(sent))
    assert receiver.numbers.total() == sent


@pytest.mark.parametrize("spool", [False, True])
def test_a_server_that_was_stopped_gets_everything_once(
    receiver: Receiver, feed: Callable[..., Feeder], spool: bool
) -> None:
    """It closes in an orderly way under load, and is back after some seconds."""
    feeder = feed(receiver, spool=spool)
    time.sleep(SHORT_S)
    receiver.end()
    time.sleep(AWAY_S)
    assert feeder.status()[0].waiting > RATE * AWAY_S / 2
    receiver.start()
    time.sleep(SHORT_S)
    (status,) = feeder.status()
    feeder.end()
    sent = max(receiver.numbers) + 1
    assert sent > RATE * (AWAY_S + SHORT_S)
    _check_once(receiver, sent)
    assert set(status.state.fates) <= {Fate.DELIVERED}


def test_a_server_that_was_killed_gets_everything(
    receiver: Receiver, feed: Callable[..., Feeder]
) -> None:
    """Twice only what its kernel had and it had not read: then it resets the connection."""
    feeder = feed(receiver)
    time.sleep(SHORT_S)
    receiver.stop()
    time.sleep(AWAY_S)
    receiver.start()
    time.sleep(SHORT_S)
    log = feeder.end()
    sent = max(receiver.numbers) + 1
    assert set(receiver.numbers) == set(range(sent))
    if RESET not in log:
        _check_once(receiver, sent)


def test_the_spool_survives_a_kill_of_the_agent(
    receiver: Receiver, feed: Callable[..., Feeder]
) -> None:
    """While the server is away; the next agent sends it first, each message once."""
    feeder = feed(receiver, spool=True)
    time.sleep(SHORT_S)
    receiver.end()
    time.sleep(AWAY_S / 2)
    feeder.kill()
    journaled = feeder.journaled()
    seen = len(receiver.numbers)
    assert journaled > seen + RATE
    order: list[int] = []
    receiver.heard = order.append
    again = feed(receiver, journaled, spool=True)
    time.sleep(AWAY_S / 2)
    receiver.start()
    time.sleep(SHORT_S)
    again.end()
    _check_once(receiver, max(receiver.numbers) + 1)
    assert len(receiver.numbers) > journaled
    if receiver.kind == "tcp":  # threads of the receiver overtake each other otherwise
        assert all(one < other for one, other in pairwise(order))


def test_a_kill_of_the_agent_while_connected_repeats_next_to_nothing(
    receiver: Receiver, feed: Callable[..., Feeder]
) -> None:
    """In memory, too, the next agent sends what the last one had left."""
    first = 0
    for _ in range(3):
        feeder = feed(receiver, first)
        time.sleep(SHORT_S)
        feeder.kill()
        first = feeder.journaled()
    last = feed(receiver, first)
    time.sleep(SHORT_S / 3)
    last.end()
    sent = max(receiver.numbers) + 1
    assert sent > 3 * RATE
    assert set(receiver.numbers) == set(range(sent))
    # Of each agent what it sent after it last wrote its state: every 0.1 s, if it gets that far.
    assert receiver.numbers.total() - sent < 3 * RATE * 0.5
    assert not last.journal.exists()


class _Network:
    """A namespace with an agent, and a cable to it."""

    def __init__(self) -> None:
        # Several runs of the tests must not meet.
        mine = os.getpid()
        self._name = name = f"hep{mine}"
        self.here, there = (f"10.197.{mine >> 6 & 255}.{(mine & 63) * 4 + end}" for end in (1, 2))
        self.prefix = ("ip", "netns", "exec", name)
        for command in (
            f"netns add {name}",
            f"link add {name} type veth peer name agent netns {name}",
            f"addr add {self.here}/30 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add {there}/30 dev agent",
            f"-n {name} link set agent up",
        ):
            self._ip(command)

    @staticmethod
    def _ip(command: str) -> None:
        subprocess.run(["ip", *command.split()], check=True)

    def cut(self) -> None:
        """The agent's interface goes down."""
        self._ip(f"-n {self._name} link set agent down")

    def mend(self) -> None:
        """It comes back."""
        self._ip(f"-n {self._name} link set agent up")

    def close(self) -> None:
        """Remove all of it."""
        self._ip(f"netns delete {self._name}")


@pytest.fixture
def network() -> Iterator[_Network]:
    """Made for one test."""
    made = _Network()
    yield made
    made.close()


def test_a_network_that_was_cut_loses_and_repeats_nothing(
    receiver: Receiver, network: _Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host says at once that there is no way; TCP survives a short cut by itself."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    receiver.stop()
    receiver.host = network.here
    receiver.start()
    flags = ["-hs", f"{network.here}:{receiver.port}", "-nt", receiver.kind]
    feeder = Feeder(0, RATE, flags, prefix=network.prefix)
    time.sleep(SHORT_S)
    network.cut()
    time.sleep(AWAY_S / 2)
    network.mend()
    time.sleep(2 * SHORT_S)
    feeder.end()
    sent = max(receiver.numbers) + 1
    assert sent > RATE * (AWAY_S / 2 + SHORT_S)
    _check_once(receiver, sent)


def test_a_host_that_limits_its_errors_is_not_taken_for_one_that_listens(
    receiver: Receiver, network: _Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a network, unlike on the loopback, most refused datagrams are answered by nothing."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    receiver.stop()
    receiver.host = network.here
    receiver.start()
    flags = ["-hs", f"{network.here}:{receiver.port}", "-nt", receiver.kind]
    feeder = Feeder(0, RATE, flags, prefix=network.prefix)
    for _ in range(2):
        time.sleep(SHORT_S)
        receiver.end()
        time.sleep(AWAY_S / 2)
        receiver.start()
        time.sleep(AWAY_S)
    feeder.end()
    sent = max(receiver.numbers) + 1
    assert sent > RATE * 3 * AWAY_S
    _check_once(receiver, sent)


def test_each_of_several_servers_gets_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that is back does not drain the spool for the others."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    receivers = [StreamReceiver(free_port()) for _ in range(3)]
    receivers[0].start()
    servers = ",".join(f"127.0.0.1:{one.port}" for one in receivers)
    feeder = Feeder(0, RATE, ["-hs", servers, "-nt", "tcp"])
    time.sleep(SHORT_S)
    assert len(receivers[0].numbers) > RATE / 2, "one that is away holds it up"
    receivers[1].start()
    time.sleep(SHORT_S)
    receivers[2].start()
    _wait(lambda: len(receivers[2].numbers) > RATE, "the last")
    feeder.end()
    sent = max(receivers[0].numbers) + 1
    for one in receivers:
        _check_once(one, sent)
        one.stop()


def test_status_without_the_sender(receiver: Receiver, feed: Callable[..., Feeder]) -> None:
    """What waits is known from the files, whoever is dead."""
    feeder = feed(receiver, spool=True)
    time.sleep(SHORT_S)
    feeder.kill()
    counters = Counters(feeder.journal)
    # The sender sees a moment later that its parent is gone.
    _wait(lambda: not standing.read(feeder.journal, counters)[0].running, "the sender's end")
    (status,) = standing.read(feeder.journal, counters)
    counters.close()
    assert status.state.target == f"{receiver.kind}:127.0.0.1:{receiver.port}"
    assert status.waiting >= status.unsent
