# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs at work, in one process for each journal."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.journal import links
from collector.log import LOGGER, LimitedLog
from collector.output.output import Output
from collector.output.relay import DRAIN_S

SAVE_INTERVAL_S: Final = 0.1
"""How often progress is written: what was sent since is sent again after a kill."""
NICENESS: Final = 5
"""Reception and ingest go first where processors are few; the backlog waits."""
LOCK_PAUSE_S: Final = 1.0
STOP_S: Final = DRAIN_S + 1.0
"""A stop waits this long for what is under way."""


async def run_outputs(outputs: Sequence[Output], stopping: asyncio.Event) -> None:
    """Run all outputs until ``stopping``; progress is written all the while."""
    tasks = [asyncio.create_task(output.run(), name=output.name) for output in outputs]
    limited = LimitedLog()

    def save() -> None:
        for output in outputs:
            try:
                output.backlog.save(output.handed())
            except OSError as error:
                limited.warn(f"save {output.name}", f"{output.name}: progress not written: {error}")

    try:
        while not stopping.is_set():
            save()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), SAVE_INTERVAL_S)
        for output in outputs:
            output.stopping.set()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        save()
        for output in outputs:
            output.backlog.close()


async def alone(journal: Path, stopping: asyncio.Event) -> int:
    """Become the only one that reads the links of this journal."""
    directory = journal / links.DIRECTORY
    directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    while not stopping.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), LOCK_PAUSE_S)
        else:
            LOGGER.info("outputs run")
            break
    return lock
