# SPDX-License-Identifier: GPL-2.0-or-later
"""What a service tells systemd: that it is ready, and that it still works (sd_notify(3)).

Without systemd, or under a unit that does not ask, nothing is said.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
"""What keeps a unit with WatchdogSec= from being ended and started again."""
STOPPING: Final = "STOPPING=1"
_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_PINGS: Final = 3
"""Within the time that the unit gives."""


def tell(*states: str) -> bool:
    """Send states like ``READY``; whether somebody took them. Never waits and never raises."""
    address = os.environ.get(_SOCKET, "")
    if not address:
        return False
    if address.startswith("@"):  # a name without a file, unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            sender.sendto("\n".join(states).encode(), address)
        except OSError:
            return False
    return True


def ping_interval() -> float | None:
    """How often to say ``ALIVE``, s; None when nobody waits for it.

    WATCHDOG_PID is not looked at: it is the main process, which for a service of several need not
    be the one that knows.
    """
    text = os.environ.get(_WATCHDOG, "")
    return int(text) / 1e6 / _PINGS if text.isdecimal() and int(text) else None


async def keep_alive() -> None:
    """Say ``READY``, then ``ALIVE`` as long as the event loop turns; for a task of its own."""
    tell(READY)
    if interval := ping_interval():
        while True:
            tell(ALIVE)
            await asyncio.sleep(interval)
