# SPDX-License-Identifier: GPL-2.0-or-later
"""The worker of -hin: receives until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

from agent.count import Count
from agent.counts import Counts
from agent.flags.options import Options
from agent.handover import Handover
from agent.relay.datagrams import Datagrams
from agent.relay.gate import Gate
from agent.relay.streams import make_listener
from collector.listener import listen
from collector.log import LOGGER, LimitedLog
from collector.settings.endpoint import Endpoint

DROPS_INTERVAL_S: Final = 1.0
QUIET_S: Final = 0.05
LAST_ROUNDS: Final = 64
"""At the end, what is in the socket is taken; not for ever, should somebody go on sending."""


async def serve(
    options: Options,
    endpoint: Endpoint,
    handover: Handover,
    counts: Counts,
    stop: int,
    ready: Callable[[], None],
) -> None:
    """Receive HEP at ``endpoint`` until the descriptor ``stop`` can be read; ``ready`` is called
    when it listens.

    Raises OSError that names -hin when the address cannot be used.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(stop, told.set)
    gate = Gate(options, handover, counts)
    gc.freeze()
    try:
        if endpoint.is_stream:
            listening = listen(endpoint)
            LOGGER.info("HEP on %s", endpoint)
            ready()
            stopping = asyncio.Event()
            quiet = asyncio.create_task(_set_when_quiet(told, stopping, counts))
            with listening:
                await make_listener(gate, counts).accept([(listening, endpoint)], stopping)
            quiet.cancel()
        else:
            datagrams = Datagrams(endpoint, gate, options.b)
            LOGGER.info("HEP on %s", endpoint)
            ready()
            await _serve_datagrams(datagrams, counts, told)
    except OSError as error:
        reason = (error.strerror or str(error)).removeprefix(f"{endpoint}: ")
        message = f"-hin {endpoint}: {reason}"
        raise OSError(error.errno, message) from error
    finally:
        loop.remove_reader(stop)


async def _set_when_quiet(told: asyncio.Event, stopping: asyncio.Event, counts: Counts) -> None:
    """Go on for a moment after the stop: what peers have sent and the kernel has is still taken."""
    await told.wait()
    for _ in range(LAST_ROUNDS):
        before = counts[Count.CAPTURED]
        await asyncio.sleep(QUIET_S)
        if counts[Count.CAPTURED] == before:
            break
    stopping.set()


async def _serve_datagrams(datagrams: Datagrams, counts: Counts, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    limited = LimitedLog()

    def note_drops() -> None:
        try:
            counts[Count.KERNEL] = datagrams.drops()
        except (OSError, ValueError, IndexError) as error:
            limited.warn("drops", f"kernel drops cannot be read: {error}")

    loop.add_reader(datagrams.fileno(), datagrams.take)
    try:
        while not stopping.is_set():
            note_drops()
            try:
                await asyncio.wait_for(stopping.wait(), DROPS_INTERVAL_S)
            except TimeoutError:
                continue
        for _ in range(LAST_ROUNDS):
            if not datagrams.take():
                break
        note_drops()
    finally:
        loop.remove_reader(datagrams.fileno())
        datagrams.close()
