# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator tells a running capture node, through the memory that its processes share.

So it needs neither a socket nor the database, reaches processes that begin later, and survives a
restart. The operator's commands and the JSON-RPC of the capture Kamailio are two ways to the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from collector import balance, reload
from collector.doctor.node import store_down_since
from collector.journal.counters import Counters, NodeField


def pause(journal: Path) -> dict[str, Any]:
    """Stop storing after the transactions under way; packets go on into the journal."""
    with closing(Counters(journal)) as counters:
        since = counters.node[NodeField.PAUSED_AT] or time.time_ns()
        counters.node[NodeField.PAUSED_AT] = since
    return {"paused_since": _seconds(since)}


def resume(journal: Path) -> dict[str, Any]:
    """Store again."""
    with closing(Counters(journal)) as counters:
        since = counters.node[NodeField.PAUSED_AT]
        counters.node[NodeField.PAUSED_AT] = 0
    return {"was_paused_since": _seconds(since)}


def rotate(journal: Path) -> dict[str, Any]:
    """Let each writer begin a new segment with its next packet: readers can finish the old one."""
    with closing(Counters(journal)) as counters:
        counters.node[NodeField.ROTATED_AT] = now = time.time_ns()
    return {"rotated_at": _seconds(now)}


def tell(journal: Path) -> dict[str, Any]:
    """Make ingest read the settings again, and do not wait for what comes of it."""
    return {"ingest_processes": len(reload.signal_all(journal))}


def sheet(journal: Path) -> dict[str, Any]:
    """The balance as this host knows it: ``received`` is the sum of all that follows.

    ``processed`` are records whose fate the database has confirmed, as last read from it.
    """
    with closing(Counters(journal)) as counters:
        received = balance.read_received(counters)
        processed = counters.node[NodeField.PROCESSED]
        down = store_down_since(counters)
        paused = counters.node[NodeField.PAUSED_AT]
    return {
        "received": received.received,
        "waiting": sum(received.journaled.values()) - processed,
        "processed": processed,
        "causes": {cause.label: count for cause, count in received.causes.items() if count},
        "paused_since": _seconds(paused),
        "store_down_since": _seconds(down),
    }


COMMANDS: Final[Mapping[str, Callable[[Path], dict[str, Any]]]] = {
    "pause": pause,
    "resume": resume,
    "rotate": rotate,
    "reload": tell,
    "balance": sheet,
}
"""By name; what they return can be written as JSON, times in seconds since 1970 or null."""


def _seconds(nanoseconds: int) -> float | None:
    return nanoseconds / 1e9 if nanoseconds else None
