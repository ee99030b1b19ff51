# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets were lost, from the socket to the table."""

from __future__ import annotations

from typing import Final

from bench.run import Run
from collector.causes import Cause, Outcome

_STAGES: Final[dict[str, frozenset[Cause]]] = {
    "door and listener": frozenset(
        cause for cause in Cause if cause.label.startswith(("sender_", "stream_"))
    ),
    "receiving process": frozenset((Cause.KEMI_FAULT, Cause.WORKER_KILLED, Cause.UNREADABLE)),
    "journal": frozenset(
        (Cause.JOURNAL_FULL, Cause.DISK_FULL, Cause.JOURNAL_WRITE, Cause.JOURNAL_DAMAGED)
    ),
    "decoding": frozenset(
        cause
        for cause in Cause
        if cause.outcome in (Outcome.REJECTED, Outcome.FILTERED, Outcome.DUPLICATE)
        and cause is not Cause.STORE_REFUSED
        and not cause.label.startswith(("sender_", "stream_"))
    ),
    "storing": frozenset((Cause.STORE_REFUSED,)),
}
KERNEL: Final = "kernel, socket buffer full"
UNEXPLAINED: Final = "no counter tells"


def by_stage(run: Run) -> dict[str, int]:
    """Lost packets by stage, stages without loss included; they add up to ``run.lost``."""
    found = {KERNEL: run.kernel}
    if run.causes:
        for stage, causes in _STAGES.items():
            found[stage] = sum(run.causes.get(cause.label, 0) for cause in causes)
    return found | {UNEXPLAINED: run.lost - sum(found.values())}


def share(lost: int, sent: int) -> str:
    """``1,234 (0.05 %)``, or ``none``."""
    if not lost:
        return "none"
    return f"{lost:,} ({100 * lost / sent:.{2 if lost * 1000 > sent else 4}f} %)"
