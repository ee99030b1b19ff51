# SPDX-License-Identifier: GPL-2.0-or-later
"""The process in which all outputs run."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.journal import links
from collector.journal.counters import Counters
from collector.log import LOGGER, LimitedLog
from collector.output import configured
from collector.output.backlog import Backlog
from collector.output.loki import LokiPush
from collector.output.metrics import MetricsServer
from collector.output.output import Output
from collector.output.relay import DRAIN_S, DatagramRelay, StreamRelay
from collector.output.wire import Wire
from collector.selection import Selection
from collector.settings import Settings

SAVE_INTERVAL_S: Final = 0.5
"""How often progress is written: what was delivered since is delivered again after a kill."""
LOCK_PAUSE_S: Final = 1.0
STOP_S: Final = DRAIN_S + 1.0
"""A stop waits this long for what is under way."""
NICENESS: Final = 5
"""Reception and ingest go first where processors are few; the backlog waits."""


def make_outputs(settings: Settings, counters: Counters) -> list[Output]:
    """Every output that the settings ask for. Raises SettingsError or OSError."""
    journal = Path(settings.journal.directory)
    selection = Selection(settings)
    relay = settings.relay
    outputs: list[Output] = []
    for name, target in configured.relays(settings).items():
        is_stream = target.protocol != "udp"
        wire = Wire(
            stream=is_stream,
            types=frozenset(relay.types),
            password=relay.password.encode(),
            pass_on_password=relay.pass_on_password,
            accepts=selection.accepts if settings.senders.passwords else None,
        )
        kind = StreamRelay if is_stream else DatagramRelay
        backlog = Backlog(journal, name, counters, str(target))
        outputs.append(kind(name, backlog, wire, target, relay))
    if settings.loki.url:
        backlog = Backlog(journal, configured.LOKI, counters, settings.loki.url)
        outputs.append(LokiPush(configured.LOKI, backlog, settings, selection))
    if settings.metrics.listen:
        backlog = Backlog(journal, configured.METRICS, counters, settings.metrics.listen)
        outputs.append(MetricsServer(configured.METRICS, backlog, settings, selection))
    return outputs


async def run_outputs(outputs: list[Output], stopping: asyncio.Event) -> None:
    """Run all outputs until ``stopping``; progress is written all the while."""
    tasks = [asyncio.create_task(output.run(), name=output.name) for output in outputs]
    limited = LimitedLog()

    def save() -> None:
        for output in outputs:
            try:
                output.backlog.save()
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


def run(settings: Settings) -> None:
    """Deliver until SIGTERM or SIGINT. A second process on the same journal waits for the first."""

    async def deliver() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        lock = await _lock(Path(settings.journal.directory), stopping)
        counters = Counters(Path(settings.journal.directory))
        try:
            if not stopping.is_set():
                await run_outputs(make_outputs(settings, counters), stopping)
        finally:
            counters.close()
            os.close(lock)

    with suppress(OSError):
        os.nice(NICENESS)
    asyncio.run(deliver())


async def _lock(journal: Path, stopping: asyncio.Event) -> int:
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
