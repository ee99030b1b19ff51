# SPDX-License-Identifier: GPL-2.0-or-later
"""Free ports, asked for by several processes at once."""

from __future__ import annotations

import socket
import subprocess
import sys

from stack.ports import BLOCK, _take, free_block, free_port
from stack.service import ROOT

GIVEN = """
import sys
from stack.ports import free_port
print(*(free_port() for _ in range(50)), flush=True)
sys.stdin.read()
"""
TAKE = """
import sys
from stack.ports import _reserve
for port in sys.argv[1:]:
    try:
        _reserve(int(port))
    except OSError:
        print(port)
"""


def test_a_port_is_given_to_one_process() -> None:
    """Nobody listens there yet, and still it is the first one's, until it has ended."""
    with subprocess.Popen(
        [sys.executable, "-c", GIVEN],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout
        assert first.stdin
        ports = first.stdout.readline().split()
        assert len(set(ports)) == 50
        assert _refused(ports) == ports
        first.stdin.close()
    assert _refused(ports) == []


def test_the_same_process_gets_another_each_time() -> None:
    """Also before it listens at the first."""
    assert len({free_port() for _ in range(50)}) == 50


def test_neighbours_are_free_and_nobody_elses() -> None:
    """All of the block, for both protocols; one that is used spoils it."""
    host = "127.0.0.1"
    first = free_block(host)
    assert first % BLOCK == 0
    assert first != free_block(host)
    assert _refused([str(first)]) == [str(first)]
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as used:
            used.bind((host, 0))
            port = used.getsockname()[1]
            assert not _take(host, range(port - 1, port + 1))


def _refused(ports: list[str]) -> list[str]:
    """Which of them another process does not get."""
    done = subprocess.run(
        [sys.executable, "-c", TAKE, *ports], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()
