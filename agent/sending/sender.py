# SPDX-License-Identifier: GPL-2.0-or-later
"""The sender process: one relay for each server of -hs, with a backlog and a state of its own."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agent.flags.options import Options
from agent.sending.journal import Journal
from agent.sending.message_log import MessageLog
from agent.sending.ping import ping
from collector.journal.counters import Counters
from collector.output.backlog import Backlog
from collector.output.datagram import DatagramRelay
from collector.output.output import Output
from collector.output.relay import StreamRelay
from collector.output.running import NICENESS, alone, run_outputs
from collector.output.stream import KEEPALIVE_S
from collector.output.wire import Wire
from collector.settings.sending import Relay

_LOG: Final = "the log"


def make_outputs(options: Options, journal: Journal, counters: Counters) -> list[Output]:
    """Every server's output, or that of the log. Raises OSError."""
    settings = Relay(tls_verify=not options.skipverify)
    greeting = ping(options)
    outputs: list[Output] = []
    for name, server in journal.outputs.items():
        backlog = Backlog(journal.directory, name, counters, str(server) if server else _LOG)
        if server is None:
            outputs.append(MessageLog(name, backlog))
            continue
        # Packets are the agent's own: the password in them is meant for the servers.
        wire = Wire(stream=server.is_stream, pass_on_password=True)
        if server.is_stream:
            keepalive_s = options.keepalive or KEEPALIVE_S
            outputs.append(
                StreamRelay(
                    *(name, backlog, wire, server, settings),
                    greeting=greeting,
                    keepalive_s=keepalive_s,
                )
            )
        else:
            outputs.append(DatagramRelay(name, backlog, wire, server, settings, greeting=greeting))
    return outputs


def run(options: Options, journal: Journal, stop: int, ready: Callable[[], None]) -> None:
    """Send until the descriptor ``stop`` becomes readable; ``ready`` is called before the first.

    What is under way then is waited for, for some seconds. What is left stays in the journal.
    Raises OSError or JournalError when the journal cannot be used.
    """

    async def send() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop_now() -> None:
            loop.remove_reader(stop)  # it stays readable, and would be asked for without a pause
            stopping.set()

        loop.add_reader(stop, stop_now)
        counters = Counters(journal.directory)
        lock = await alone(journal.directory, stopping)
        try:
            outputs = make_outputs(options, journal, counters)
            ready()
            await run_outputs(outputs, stopping)
        finally:
            loop.remove_reader(stop)
            counters.close()
            os.close(lock)

    gc.freeze()  # what is there by now stays
    with suppress(OSError):
        os.nice(NICENESS)
    asyncio.run(send())
