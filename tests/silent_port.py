# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP port on a host that seems to be gone: no connection, and no error either."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"


def silence(stack: ExitStack, port: int) -> None:
    """A port whose queue is full: the kernel drops what wants to connect."""
    full = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    full.bind((HOST, port))
    full.listen(0)
    for _ in range(4):
        client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        client.setblocking(False)
        client.connect_ex((HOST, port))
