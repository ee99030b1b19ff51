# SPDX-License-Identifier: GPL-2.0-or-later
"""Forked processes: how they begin, how they end, and what is said of that."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from agent.children import Child, StartError, fork
from collector.errors import JournalError


def _reaped(child: Child) -> Child:
    deadline = time.monotonic() + 10
    while not child.reap():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return child


def test_a_process_is_there_when_it_has_all_that_it_needs() -> None:
    """And not before; its end is noted once."""
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()

    def work(ready: Callable[[], None]) -> None:
        time.sleep(0.05)
        os.write(from_child, b"opened")
        ready()
        os.read(to_child, 100)

    child = fork("worker 0", work)
    os.set_blocking(to_parent, False)
    assert os.read(to_parent, 100) == b"opened"
    assert child.runs
    assert not child.reap()
    os.write(from_parent, b"go")
    assert _reaped(child).status == 0
    assert not child.failed
    assert not child.reap()
    for descriptor in (to_child, from_parent, to_parent, from_child):
        os.close(descriptor)


def test_what_keeps_it_from_its_work_is_raised() -> None:
    """The user sees it where he started the agent."""

    def work(_ready: Callable[[], None]) -> None:
        message = "no\nsuch interface"
        raise JournalError(message)

    with pytest.raises(StartError, match="no such interface"):
        fork("worker 0", work)


def test_a_fault_after_the_start_is_a_status() -> None:
    """With its name and pid."""

    def work(ready: Callable[[], None]) -> None:
        ready()
        raise OSError(5, "broken")

    child = _reaped(fork("worker 3", work))
    assert child.failed
    assert child.describe() == f"worker 3 (pid {child.pid}) ended with status 1"


def test_a_fault_before_the_start_is_one_too() -> None:
    """Of whatever kind."""

    def work(_ready: Callable[[], None]) -> None:
        os._exit(7)

    with pytest.raises(StartError, match="ended with status 7"):
        fork("worker 0", work)


def test_signals_are_the_parent_s_and_a_kill_is_named() -> None:
    """SIGINT goes to the whole group when somebody presses Ctrl-C."""

    def work(ready: Callable[[], None]) -> None:
        ready()
        time.sleep(60)

    child = fork("sender", work)
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGTERM)
    time.sleep(0.1)
    assert not child.reap()
    child.kill()
    assert child.describe() == f"sender (pid {child.pid}) was killed by SIGKILL"
