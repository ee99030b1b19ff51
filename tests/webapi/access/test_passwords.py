# SPDX-License-Identifier: GPL-2.0-or-later
"""Hashing: its parameters, and how much of it happens at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from webapi.access import passwords
from webapi.access.passwords import Passwords
from webapi.errors import ApiError


async def test_the_parameters_are_in_the_hash() -> None:
    """argon2id as RFC 9106 §4 recommends it, with a salt of its own each time."""
    subject = Passwords()
    one, other = [await subject.hash("a pass phrase") for _ in range(2)]
    subject.close()
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert one != other
    assert not subject.is_outdated(one)
    assert subject.is_outdated(one.replace("t=3", "t=2"))


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_what_is_no_hash_is_never_right(stored: str) -> None:
    """Nor an exception."""
    subject = Passwords()
    assert await subject.verify(stored, stored) is False
    assert await subject.verify(None, "x") is False
    subject.close()


async def test_so_many_at_once_so_many_wait_and_no_more() -> None:
    """An attacker gets two threads and no memory beyond theirs, and the loop goes on meanwhile."""
    subject = Passwords(at_once=2, waiting=3)
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

    tasks = [asyncio.create_task(subject._run(work)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as refused:
        await subject._run(work)
    assert (refused.value.status, refused.value.code) == (503, "busy")
    goes_on.set()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert most == 2
    assert await subject._run(work)
    subject.close()


async def test_a_client_who_goes_away_gives_no_room_early() -> None:
    """The hash is made all the same: its place is taken until then."""
    subject = Passwords(at_once=1, waiting=0)
    goes_on = threading.Event()
    task = asyncio.create_task(subject._run(goes_on.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ApiError):
        await subject._run(goes_on.wait)
    goes_on.set()
    await asyncio.to_thread(subject._threads.submit(int).result)
    assert await subject._run(goes_on.wait)
    subject.close()


def test_generated_passwords_differ_and_may_be_used() -> None:
    """By the same rules."""
    made = {passwords.generate() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        assert passwords.check_new(password, "admin") == password
