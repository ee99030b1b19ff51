# SPDX-License-Identifier: GPL-2.0-or-later
"""How much work on passwords happens at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from webapi.access.threads import Threads
from webapi.errors import ApiError


async def test_so_many_at_once_so_many_wait_and_no_more() -> None:
    """An attacker gets two threads and no memory beyond theirs, and the loop goes on meanwhile."""
    subject = Threads("test", 2, 3)
    running, most, goes_on = 0, 0, threading.Event()
    lock = threading.Lock()

    def work() -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        goes_on.wait()
        with lock:
            running -= 1
        return True

    tasks = [asyncio.create_task(subject.run(work)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as refused:
        await subject.run(work)
    assert (refused.value.status, refused.value.code) == (503, "busy")
    goes_on.set()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert most == 2
    assert await subject.run(work)
    subject.close()


async def test_a_client_who_goes_away_gives_no_room_early() -> None:
    """The hash is made all the same: its place is taken until then."""
    subject = Threads("test", 1, 0)
    goes_on = threading.Event()
    task = asyncio.create_task(subject.run(goes_on.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ApiError):
        await subject.run(goes_on.wait)
    goes_on.set()
    await asyncio.to_thread(subject._threads.submit(int).result)
    assert await subject.run(goes_on.wait)
    subject.close()
