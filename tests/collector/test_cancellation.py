# SPDX-License-Identifier: GPL-2.0-or-later
"""A task that is cancelled ends, whatever its library makes of it."""

from __future__ import annotations

import asyncio

import pytest

from collector import cancellation


async def _work(swallowed: list[str]) -> None:
    """Like psycopg: the cancellation comes out as an error."""
    while True:
        try:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                raise ValueError from None
        except ValueError:
            swallowed.append("error")
        cancellation.honour()


async def test_a_cancellation_that_came_as_an_error_is_one() -> None:
    """Without this the task would go on for ever."""
    swallowed: list[str] = []
    task = asyncio.create_task(_work(swallowed))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert swallowed == ["error"]


async def test_an_ordinary_error_is_none() -> None:
    """Nothing happens."""
    cancellation.honour()
