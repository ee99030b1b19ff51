# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts as a node that hangs, and what does not."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.journal.counters import Counters, Field, Role, claim_slot
from collector.kernel import UdpSocket
from collector.settings import load
from collector.watchdog import LONGEST_BEAT_S, Watchdog, beat

_LONG_AGO_NS = int(2 * LONGEST_BEAT_S * 1e9)


class Node:
    """A journal with one process of a role, and the socket's queue."""

    def __init__(self, journal: Path, role: Role) -> None:
        self.counters = Counters(journal)
        number, self.lock = claim_slot(self.counters, journal, role, time.time_ns())
        self.slot = self.counters.slot(number)
        self.queued = 0
        settings = load(None, {"KEMISCOPE_JOURNAL_DIRECTORY": str(journal)})
        self.watchdog = Watchdog(settings, self.counters, self._sockets)

    def _sockets(self) -> list[UdpSocket]:
        return [UdpSocket("127.0.0.1", 9060, 1, self.queued, 0)]

    def close(self) -> None:
        """The process ends."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


@pytest.fixture
def udp(tmp_path: Path) -> Iterator[Node]:
    """With a UDP worker."""
    made = Node(tmp_path, Role.UDP)
    yield made
    made.close()


@pytest.fixture(params=[Role.INGEST, Role.LISTENER])
def loop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Node]:
    """With a process that has an event loop."""
    made = Node(tmp_path, request.param)
    yield made
    made.close()


def test_a_queue_that_nobody_takes_from_hangs(udp: Node) -> None:
    """From the second look on."""
    udp.queued = 1000
    assert udp.watchdog.hung() == ""
    assert udp.watchdog.hung() == "datagrams wait, and no UDP worker takes them"


def test_a_queue_that_moves_does_not(udp: Node) -> None:
    """However full it is."""
    udp.queued = 1000
    for _ in range(3):
        udp.slot[Field.RECEIVED] += 1
        assert udp.watchdog.hung() == ""


def test_silence_does_not(udp: Node) -> None:
    """A queue that was empty in between was taken from."""
    for queued in (1000, 0, 1000, 0, 0):
        udp.queued = queued
        assert udp.watchdog.hung() == ""


def test_a_loop_that_has_not_turned_for_long_hangs(loop: Node) -> None:
    """It is named; once it turns again, all is well."""
    loop.slot[Field.BEAT] = time.time_ns() - _LONG_AGO_NS
    assert f"process {os.getpid()}" in loop.watchdog.hung()
    loop.slot[Field.BEAT] = time.time_ns()
    assert loop.watchdog.hung() == ""


def test_a_process_that_is_gone_does_not_hang(loop: Node) -> None:
    """Kamailio itself ends when one of its processes does; and it may be one of an older version,
    which noted nothing."""
    assert loop.watchdog.hung() == ""
    loop.slot[Field.BEAT] = time.time_ns() - _LONG_AGO_NS
    loop.close()
    assert loop.watchdog.hung() == ""


async def test_a_loop_notes_that_it_turns(loop: Node) -> None:
    """In the slot of its process."""
    task = asyncio.create_task(beat(loop.slot))
    await asyncio.sleep(0)
    task.cancel()
    assert loop.slot[Field.BEAT] > loop.slot[Field.STARTED]
