# SPDX-License-Identifier: GPL-2.0-or-later
"""Several workers that share the frames of an interface."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from agent.capture.source import CaptureError
from tests.agent.capture.frames import numbered, read_for, send
from tests.agent.capture.opened import RING, opened
from tests.fix_network import Network

ROOT: Final = Path(__file__).parents[3]

MEMBER: Final = """
import select, sys
from agent.capture.live import Live
live = Live("veth0", **{ring}, filter_text=lambda _: "udp", fanout_group=42)
print("ready", flush=True)
def take():
    for _, frame, _ in live.read(256):
        ports = frame[34:38] if frame[12:14] == b"\\x08\\x00" else frame[54:58]
        print(*sorted([ports[:2].hex(), ports[2:].hex()]), flush=True)
while sys.stdin not in select.select([live, sys.stdin], [], [])[0]:
    take()
while select.select([live], [], [], 0.5)[0]:
    take()
live.close()
"""
"""Writes the ports of each frame until standard input ends."""


@pytest.fixture
def members(hosts: Network) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that share the frames of the right host."""
    command = hosts.right.command(sys.executable, "-c", MEMBER.format(ring=RING))
    started = []
    try:
        for _ in range(2):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            started.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_fanout_gives_every_packet_once_and_a_flow_to_one_worker(
    hosts: Network, members: list[subprocess.Popen[str]], addresses: tuple[str, str]
) -> None:
    """Both directions of it."""
    left, right = addresses
    family = socket.AF_INET6 if ":" in left else socket.AF_INET
    flows = 40
    with hosts.right.inside():
        server = socket.socket(family, socket.SOCK_DGRAM)
    with server, hosts.left.inside(), ExitStack() as clients:
        server.bind((right, 5060))
        for _ in range(flows):
            # All stay open: a port that comes again would be the same flow.
            client = clients.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            client.bind((left, 0))
            for _ in range(3):
                client.sendto(b"x" * 200, (right, 5060))
                _, peer = server.recvfrom(1000)
                server.sendto(b"y" * 200, peer)
    seen = [process.communicate(timeout=30)[0].splitlines() for process in members]
    assert len(seen[0]) + len(seen[1]) == flows * 6
    assert all(seen), "one worker got everything"
    assert not set(seen[0]) & set(seen[1])
    assert all(lines.count(flow) == 6 for lines in seen for flow in lines)


def test_fragments_go_to_the_worker_of_their_flow(
    hosts: Network, members: list[subprocess.Popen[str]]
) -> None:
    """IPv4: the kernel puts them together first."""
    flows = 20
    with hosts.left.inside():
        for _ in range(flows):
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(2, 3_000))
    seen = [process.communicate(timeout=30)[0].splitlines() for process in members]
    assert len(seen[0]) + len(seen[1]) == flows * 2
    assert not set(seen[0]) & set(seen[1])


def test_fanout_on_several_interfaces(hosts: Network) -> None:
    """Each has a group of its own, from the given number on."""
    with (
        opened(hosts.right, "lo,veth0", fanout_group=42) as one,
        opened(hosts.right, "lo,veth0", fanout_group=42) as other,
    ):
        with hosts.right.inside():
            for _ in range(20):
                send("127.0.0.1", "127.0.0.1", numbered(1))
        with hosts.left.inside():
            for _ in range(20):
                send(hosts.left.ipv4, hosts.right.ipv4, numbered(1))
        shares = [len(read_for(live, 0.3)) for live in (one, other)]
        assert sum(shares) == 40
        assert all(shares)


def test_a_fanout_group_of_another_kind(hosts: Network) -> None:
    """Is somebody else's: said with its number."""
    with hosts.right.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300) as other:
        other.bind(("veth0", 3))
        other.setsockopt(263, 18, 42 | 1 << 16)
        with pytest.raises(CaptureError, match="no share in fanout group 42 on veth0"):
            opened(hosts.right, fanout_group=42)
