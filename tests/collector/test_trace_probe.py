# SPDX-License-Identifier: GPL-2.0-or-later
"""The probe says of a collector that it is gone, and of nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from collector.trace_collectors import Collector
from collector.trace_probe import MISSES, Probe
from tests.silent_port import HOST, silence


def listener(port: int = 0) -> socket.socket:
    """A TCP port of a capture node."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((HOST, port))
    found.listen()
    return found


@pytest.fixture
def port() -> Iterator[int]:
    """A TCP port that nobody listens at."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        yield held.getsockname()[1]


def test_of_one_that_never_listened_it_says_nothing(port: int) -> None:
    """A collector need not take HEP over TCP."""
    probe = Probe([Collector(HOST, port)])
    for _ in range(MISSES + 1):
        assert probe.missing() == []


def test_one_that_has_gone_is_missed_until_it_is_back(port: int) -> None:
    """After the second failure in a row; the others are none of its business."""
    with listener() as other:
        probe = Probe([Collector(HOST, other.getsockname()[1]), Collector(HOST, port)])
        with listener(port):
            assert probe.missing() == []
        for _ in range(MISSES - 1):
            assert probe.missing() == []
        for _ in range(2):
            assert probe.missing() == [1]
        with listener(port):
            assert probe.missing() == []


def test_one_that_says_nothing_is_missed(port: int) -> None:
    """Its host drops what comes: no connection, and no error either."""
    probe = Probe([Collector(HOST, port)])
    with listener(port):
        assert probe.missing() == []
    with ExitStack() as stack:
        silence(stack, port)
        for _ in range(MISSES):
            found = probe.missing()
        assert found == [0]
