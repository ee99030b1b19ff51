# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether collectors are there at all: a host that is gone answers a datagram with nothing.

Capture nodes take HEP over TCP as well, so a TCP connection tells. Runs in the Python of a proxy's
distribution, in a process of its own.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Final

from collector.trace_collectors import Collector

PATIENCE_S: Final = 0.7
"""A connection that takes longer has failed."""
MISSES: Final = 2
"""Failures in a row that count: a single lost SYN is none."""


class Probe:
    """Connects to the TCP port of each collector."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors
        self._misses = dict.fromkeys(range(len(collectors)), 0)
        self._known: set[int] = set()

    def missing(self) -> list[int]:
        """Connect once to all; those that have ever accepted one and do not any more.

        Takes at most ``PATIENCE_S``. A collector that has never accepted a connection may have no
        TCP port: of that one this says nothing.
        """
        accepted = self._accepted()
        self._known |= accepted
        for n in self._misses:
            self._misses[n] = 0 if n in accepted else self._misses[n] + 1
        return [n for n in sorted(self._known) if self._misses[n] >= MISSES]

    def _accepted(self) -> set[int]:
        sockets: dict[socket.socket, int] = {}
        accepted: set[int] = set()
        try:
            for n, collector in enumerate(self._collectors):
                family = socket.AF_INET6 if ":" in collector.host else socket.AF_INET
                made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                sockets[made] = n
                made.connect_ex(collector)
            waiting = set(sockets)
            deadline = time.monotonic() + PATIENCE_S
            while waiting and (left := deadline - time.monotonic()) > 0:
                done = _writable(waiting, left)
                waiting -= done
                accepted |= {sockets[found] for found in done if not _error(found)}
        finally:
            for made in sockets:
                made.close()
        return accepted


def _writable(sockets: Iterable[socket.socket], timeout_s: float) -> set[socket.socket]:
    """Those that are connected or have failed. poll: a file number may be above 1,023."""
    by_number = {found.fileno(): found for found in sockets}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLOUT)
    return {by_number[number] for number, _ in poll.poll(timeout_s * 1000)}


def _error(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
