# SPDX-License-Identifier: GPL-2.0-or-later
"""The addresses behind a target's name, looked up anew for each connection."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from collector.settings.endpoint import Endpoint

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""One answer of ``socket.getaddrinfo``."""


async def resolve(target: Endpoint, kind: socket.SocketKind) -> list[Address]:
    """All addresses in the system's order of preference. Raises socket.gaierror, an OSError.

    An address needs no look-up: it never waits behind names that a dead name server is asked for.
    """
    try:
        return list(
            socket.getaddrinfo(target.host, target.port, type=kind, flags=socket.AI_NUMERICHOST)
        )
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        return list(await loop.getaddrinfo(target.host, target.port, type=kind))
