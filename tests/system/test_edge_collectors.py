# SPDX-License-Identifier: GPL-2.0-or-later
"""Several collectors at the proxy: fail-over, spread by Call-ID, and calls that never wait."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import pytest

from collector import hep
from collector.hep import Hep
from collector.trace_collectors import Collector as Address
from collector.trace_collectors import Mode, ranking
from stack import proxy
from stack.ports import free_port
from tests.silent_port import silence
from tests.system.conversation import as_seen, conversation
from tests.system.edge import V4, Edge, RefusedError, read_message, rules

_CHANGE_S: Final = 20.0
"""Until a collector that has gone, or is back, has been noticed."""
_SPREAD_CALLS: Final = 60


class Node:
    """A capture node: takes HEP over UDP and TCP at one port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._up = ExitStack()
        self._datagrams: socket.socket | None = None
        self.start()

    def start(self) -> None:
        """Be there."""
        self._up.close()
        self._datagrams = self._socket(socket.SOCK_DGRAM)
        self._streams = self._socket(socket.SOCK_STREAM)
        self._streams.listen()

    def wait_for_probe(self) -> None:
        """Until the proxy has seen that it is there."""
        self._streams.settimeout(_CHANGE_S)
        self._streams.accept()[0].close()

    def stop(self) -> None:
        """The process has ended: the host says that nobody listens."""
        self._up.close()
        self._datagrams = None

    def vanish(self) -> None:
        """The host has gone: whatever comes is swallowed, and nothing comes back."""
        self.stop()
        self._socket(socket.SOCK_DGRAM)
        silence(self._up, self.port)

    def _socket(self, kind: socket.SocketKind) -> socket.socket:
        made = self._up.enter_context(socket.socket(socket.AF_INET, kind))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((V4, self.port))
        return made

    def packets(self) -> list[Hep]:
        """What has arrived since it was last asked; none if it is not there."""
        found: list[Hep] = []
        while self._datagrams:
            self._datagrams.settimeout(0.25)
            try:
                packet = hep.decode(self._datagrams.recv(65_535))
            except TimeoutError:
                break
            assert isinstance(packet, Hep)
            found.append(packet)
        return found


class Site:
    """A proxy with two capture nodes."""

    def __init__(self, directory: Path, config: Path, mode: Mode) -> None:
        self.nodes = [Node(), Node()]
        addresses = [f"{V4}:{node.port}" for node in self.nodes]
        defines = proxy.collectors(addresses, mode, kemi=config == proxy.KEMI)
        self.edge = Edge(directory, config=config, defines=defines)

    def __enter__(self) -> Self:
        self.edge.__enter__()
        self.edge.rule(*rules(("all", "*"), methods=()), seconds=600)
        for node in self.nodes:
            node.wait_for_probe()
        return self

    def __exit__(self, *_: object) -> None:
        self.edge.__exit__(None, None, None)
        for node in self.nodes:
            node.stop()

    def call(self) -> list[int]:
        """Place a call that goes as calls go; how many of its messages each node has."""
        with conversation(self.edge) as call:
            call.answer(call.begin())
            call.hang_up()
        found = [node.packets() for node in self.nodes]
        return [
            sum(call.call_id.encode() in packet.payload for packet in packets) for packets in found
        ]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the proxy notices by itself."""
        deadline = time.monotonic() + _CHANGE_S
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    def count(self, name: str) -> int:
        """An item of the table ``trace_collector``."""
        return int(self.edge.table("trace_collector").get(name, 0))


ALL_MESSAGES: Final = 13
"""Of the call: INVITE, 180, 200, ACK, BYE and its 200 twice each, and the proxy's own 100."""
AT_FIRST: Final = [ALL_MESSAGES, 0]
AT_SECOND: Final = [0, ALL_MESSAGES]


@pytest.fixture
def failover(tmp_path: Path, config: Path) -> Iterator[Site]:
    """The first that is up."""
    with Site(tmp_path, config, Mode.FAILOVER) as site:
        yield site
        assert site.edge.is_running()


@pytest.fixture
def spread(tmp_path: Path, config: Path) -> Iterator[Site]:
    """Each call to one."""
    with Site(tmp_path, config, Mode.SPREAD) as site:
        yield site
        assert site.edge.is_running()


def test_what_is_sent_is_what_siptrace_sends(failover: Site) -> None:
    """The same messages with the same addresses, and log lines; counted as sent."""
    edge = failover.edge
    first = failover.nodes[0]
    with conversation(edge) as call:
        call.answer(call.begin())
        call.hang_up()
        setup = [">INVITE", "<|100 INVITE", "<180 INVITE", "<200 INVITE", ">ACK"]
        expected = call.seen(*setup, ">BYE", "<200 BYE")
        messages = [read_message(packet) for packet in first.packets()]
        assert as_seen(messages) == sorted(expected)
    assert {message.packet.capture_id for message in messages} == {2001}
    assert abs(messages[0].packet.seconds - time.time()) < 60
    assert failover.count("sent:1") == len(expected)
    with edge.calls() as caller:
        caller.send(caller.request("INVITE", "4099", call_id=edge.new_call_id()))
        caller.receive("SIP/2.0 404")
    logged = [packet for packet in first.packets() if packet.type == hep.TYPE_LOG]
    assert [packet.payload for packet in logged] == [b"no such number: 4099"]
    assert logged[0].correlation_id.endswith(b"@edge")


def test_fail_over_when_the_process_of_the_first_ends(failover: Site) -> None:
    """The kernel's answer to one packet is enough; the first is preferred when it is back."""
    assert failover.call() == AT_FIRST
    failover.nodes[0].stop()
    failover.call()
    assert failover.call() == AT_SECOND
    assert failover.count("down:1") == 1
    failover.nodes[0].start()
    failover.wait(lambda: failover.call() == AT_FIRST, "the first is used again")


def test_fail_over_when_the_host_of_the_first_disappears(failover: Site) -> None:
    """Nothing comes back from it: the probe of its TCP port notices."""
    assert failover.call() == AT_FIRST
    failover.nodes[0].vanish()
    failover.wait(lambda: failover.count("down:1") == 1, "the first is missed")
    time.sleep(0.3)  # until the workers have looked
    assert failover.call() == AT_SECOND
    failover.nodes[0].start()
    failover.wait(lambda: failover.call() == AT_FIRST, "the first is used again")


def test_calls_go_on_when_all_collectors_are_gone(failover: Site) -> None:
    """Refused, or swallowed: the call does not notice, and the log names the collector once."""
    for node in failover.nodes:
        node.stop()
    assert failover.call() == [0, 0]
    assert failover.call() == [0, 0]
    assert failover.count("dropped:1") > 0
    for node in failover.nodes:
        node.vanish()
    assert failover.call() == [0, 0]
    assert failover.edge.log.read_text(errors="replace").count("is away") <= 2 * 2
    failover.nodes[0].start()
    failover.wait(lambda: failover.call() == AT_FIRST, "the first is used again")


def test_spread_is_even_and_each_call_is_at_one_collector(spread: Site) -> None:
    """Where rendezvous hashing has it, so that all proxies with this list agree."""
    edge = spread.edge
    call_ids = [edge.new_call_id() for _ in range(_SPREAD_CALLS)]
    with edge.calls() as phone:
        for call_id in call_ids:
            phone.send(phone.request("INVITE", "4099", call_id=call_id))
            answer = phone.receive("SIP/2.0 404")
            phone.send(phone.request("ACK", "4099", call_id=call_id, branch="1INVITE"))
            assert call_id in answer
    addresses = [Address(V4, node.port) for node in spread.nodes]
    wanted = [ranking(Mode.SPREAD, addresses, call_id.encode())[0] for call_id in call_ids]
    assert 15 < sum(wanted) < 45
    for place, node in enumerate(spread.nodes):
        packets = node.packets()
        own = [call_id for call_id, n in zip(call_ids, wanted, strict=True) if n == place]
        seen = {packet.correlation_id.decode() for packet in packets if packet.correlation_id}
        assert seen == set(own)
        assert all(
            any(call_id.encode() in packet.payload for call_id in own)
            for packet in packets
            if packet.type == hep.TYPE_SIP
        )


def test_a_collector_that_goes_moves_its_own_calls_only(spread: Site) -> None:
    """The calls of the other one stay there, and after its return all are where they were."""
    spread.nodes[0].stop()
    spread.wait(lambda: spread.call() == AT_SECOND and spread.count("down:1") == 1, "it is down")
    for _ in range(4):
        assert spread.call() == AT_SECOND
    spread.nodes[0].start()
    spread.wait(lambda: spread.call() == AT_FIRST, "a call is at the first again")


def test_the_table_can_be_read_and_not_written(failover: Site) -> None:
    """By who has the token."""
    failover.call()
    assert failover.count("sent:1") == ALL_MESSAGES
    with pytest.raises(RefusedError, match="403"):
        failover.edge.rpc("htable.setxi", "trace_collector", "down:1", 1, 60)
