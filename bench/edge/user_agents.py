# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the compiled caller and callee."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from bench import compiled
from stack.errors import StackError

_SOURCES: Final = ("edge/user_agents.c", "edge/sip.c", "edge/sip.h", "clock.h")


class Collector(StrEnum):
    """What becomes of the proxy's HEP packets."""

    READ = "read"
    """Somebody takes and counts them."""
    DEAF = "deaf"
    """They are swallowed, as by a host that is gone: the port is open, nobody ever reads."""
    CLOSED = "closed"
    """Nobody listens: the kernel answers each with an ICMP error."""


class Times(NamedTuple):
    """Of passing the proxy, in µs."""

    p50: float
    p99: float
    max: float


class Placed(NamedTuple):
    """What became of some calls."""

    calls: int
    completed: int
    repeated: int
    """Messages that came again: retransmissions."""
    seconds: float
    cpu_s: float
    """Processor time of caller, callee, collector, and of what kept the processor awake."""
    late_us: float
    """How late a call was started, at worst."""
    hep: Sequence[int]
    """HEP packets that were read, by port."""
    invite: Times
    """Of the INVITEs, from the caller's socket to the callee's."""
    message: Times
    """Of all six messages of a call that pass the proxy."""


def place(
    proxy_port: int,
    callee_port: int,
    hep_ports: Sequence[int],
    *,
    count: int,
    rate: float,
    first: int,
    collector: Collector,
) -> Placed:
    """Place ``count`` calls at ``rate`` per second, numbered from ``first``.

    Raises StackError when the program fails; calls that fail are those not completed.
    """
    numbers = (proxy_port, callee_port, count, rate, first)
    command = [str(compiled.program("user_agents", _SOURCES)), *map(str, numbers)]
    command += [collector, *map(str, hep_ports)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        message = f"user_agents: {done.stderr}"
        raise StackError(message)
    found: dict[str, Any] = json.loads(done.stdout)
    found |= {name: Times(**found[name]) for name in ("invite", "message")}
    return Placed(**found)
