# SPDX-License-Identifier: GPL-2.0-or-later
"""The process in which all outputs run."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from collector.journal.counters import Counters
from collector.output import configured
from collector.output.backlog import Backlog
from collector.output.datagram import DatagramRelay
from collector.output.loki import LokiPush
from collector.output.metrics import MetricsServer
from collector.output.output import Output
from collector.output.relay import StreamRelay
from collector.output.running import NICENESS, alone, run_outputs
from collector.output.wire import Wire
from collector.selection import Selection
from collector.settings import Settings


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


def run(settings: Settings) -> None:
    """Deliver until SIGTERM or SIGINT. A second process on the same journal waits for the first."""

    async def deliver() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        lock = await alone(Path(settings.journal.directory), stopping)
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
