# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports: which are free, and who has the others."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from collector.settings.endpoint import Endpoint
from stack.errors import StackError

_REMEMBERED: Final = 256
"""Ports that a process holds for itself; whoever asked for earlier ones listens there by now."""
BLOCK: Final = 10
_BLOCKS: Final = range(30_000, 32_760, BLOCK)
"""Between the ports of ``free_port`` and those of outgoing connections."""
_reserved: Final[deque[int]] = deque()


def is_free(endpoint: Endpoint) -> bool:
    """Whether the port can be listened on at this moment."""
    return _bind_error(endpoint) is None


def check_free(endpoint: Endpoint, setting: str) -> None:
    """Raise StackError that names the holder if the port is taken; ``setting`` would move it."""
    error = _bind_error(endpoint)
    if error:
        message = (
            f"{endpoint} cannot be used: {error.strerror}{_holder(endpoint)}. "
            f"Stop that program or change {setting}."
        )
        raise StackError(message) from error


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port that is free at this moment, below the range of outgoing connections.

    No other process gets it from here before this one has asked for many more, or has ended.
    """
    for _ in range(100):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        # A port of the ephemeral range may be taken by an outgoing connection a moment later.
        candidate = 10_000 + port % 20_000
        if _take(host, (candidate,)):
            return candidate
    message = "no free port was found"
    raise StackError(message)


def free_block(host: str = "127.0.0.1") -> int:
    """The same for ``BLOCK`` neighbouring ports; the first one, which ends with 0."""
    for first in secrets.SystemRandom().sample(_BLOCKS, len(_BLOCKS)):
        if _take(host, range(first, first + BLOCK)):
            return first
    message = f"no {BLOCK} neighbouring ports are free"
    raise StackError(message)


def _take(host: str, ports: Sequence[int]) -> bool:
    """Whether nobody has any of them: then they are this process's, by the first one's name."""
    try:
        with ExitStack() as probes:
            for port in ports:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probe = probes.enter_context(socket.socket(socket.AF_INET, kind))
                    probe.bind((host, port))
            _reserve(ports[0])
    except OSError:
        return False
    return True


def _reserve(port: int) -> None:
    """Raise OSError if somebody has it."""
    # A name in the abstract namespace of unix(7): it leaves no file behind, goes with its process,
    # and belongs to the network namespace, as the ports do.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
        name.bind(f"\0kemiscope-port-{port}")
        _reserved.append(name.detach())
    if len(_reserved) > _REMEMBERED:
        os.close(_reserved.popleft())


def _bind_error(endpoint: Endpoint) -> OSError | None:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    kind = socket.SOCK_STREAM if endpoint.is_stream else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
        except OSError as error:
            return error
    return None


def _holder(endpoint: Endpoint) -> str:
    """(program, pid) that has the port, as far as `ss` tells."""
    try:
        kind = "--tcp" if endpoint.is_stream else "--udp"
        listing = subprocess.run(
            ["ss", "-Hlnp", kind, f"sport = :{endpoint.port}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    _, found, rest = listing.partition('users:(("')
    if not found:
        return ""
    program, _, rest = rest.partition('"')
    pid = rest.partition("pid=")[2].partition(",")[0]
    return f"; {program} (pid {pid}) has it"
