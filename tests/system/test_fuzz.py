# SPDX-License-Identifier: GPL-2.0-or-later
"""A hundred thousand mutated packets through a running node, with good ones in between."""

from __future__ import annotations

import itertools
import socket
import time
from pathlib import Path

import pytest

from collector import balance
from collector.causes import CAUSES, Outcome
from collector.journal.counters import Counters
from stack.trial import Trial
from tests.fuzz import mutate
from tests.sip_text import packet, request
from tests.system.counts import node, wait_until_all_stored

MUTATED = 100_000
EVERY = 10
"""One good packet after so many mutated ones."""
SEED = 20_261_123
SMALLEST = 32
"""Kamailio's core throws away shorter datagrams before anybody can count them (MIN_UDP_PACKET)."""
LARGEST = 40_000
"""Larger ones full of NUL bytes are counted as unreadable, after 30 ms each: see test_hostile."""
WINDOW_PACKETS, WINDOW_BYTES = 40, 60_000
"""Sent before the next wait: less than the smallest socket buffer holds."""


@pytest.mark.timeout(600)
def test_mutated_packets_among_good_ones(running: Trial) -> None:
    """Every good one is stored, every other one has a named fate, and the node is still there."""
    cases = (
        case for case in mutate.cases(2 * MUTATED, SEED, largest=LARGEST) if len(case) >= SMALLEST
    )
    good = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", running.hep_port))
        sender = _Sender(opened, Path(running.settings.journal.directory))
        for number, case in enumerate(itertools.islice(cases, MUTATED)):
            sender.send(case)
            if number % EVERY == 0:
                sender.send(packet(request(call_id=f"good-{good}@fuzz", number=good + 1)))
                good += 1
        sender.wait()
    assert sender.sent == MUTATED + good
    wait_until_all_stored(running, sender.sent, timeout_s=120)
    counts = node(running)
    assert counts["received"] == sender.sent
    assert counts["unaccounted"] == counts["waiting"] == 0
    assert sum(counts[cause.label] for cause in CAUSES) == sender.sent
    lost = [cause for cause in CAUSES if cause.outcome is Outcome.DROPPED]
    assert not any(counts[cause.label] for cause in lost), "nothing is dropped"
    assert counts["store_refused"] == 0, "PostgreSQL takes every row that the codecs make"
    with running.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT call_id), count(DISTINCT via_branch) FROM sip_message"
            " WHERE call_id LIKE 'good-%@fuzz' AND fault IS NULL"
        ).fetchone()
    assert found == (good, good, good)
    assert running.kamailio is not None
    assert running.kamailio.process is not None
    assert running.kamailio.process.poll() is None


class _Sender:
    """Sends datagrams no faster than the node takes them: what the kernel drops is another test."""

    def __init__(self, opened: socket.socket, journal: Path) -> None:
        self._socket = opened
        self._counters = Counters(journal)
        self._before = balance.read_received(self._counters).received
        self._window = 0
        self.sent = 0

    def send(self, data: bytes) -> None:
        """Send one, and wait when the window is full."""
        self._socket.send(data)
        self.sent += 1
        self._window += max(len(data), WINDOW_BYTES // WINDOW_PACKETS)
        if self._window >= WINDOW_BYTES:
            self.wait()

    def wait(self) -> None:
        """Wait until all that was sent was received."""
        self._window = 0
        deadline = time.monotonic() + 30
        while balance.read_received(self._counters).received < self._before + self.sent:
            assert time.monotonic() < deadline, f"after {self.sent} packets one is missing"
            time.sleep(0.0005)
