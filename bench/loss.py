# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets were lost, from the socket to the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.report import Table, number
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


def stage_table(runs: Sequence[Run]) -> Table:
    """Lost packets by stage, one column per run."""
    stages = [by_stage(run) for run in runs]
    return Table(
        ["lost by stage, packets", *(run.target for run in runs)],
        [[name, *(number(found[name]) for found in stages)] for name in stages[0]],
    )


def outcome_table(runs: Sequence[Run]) -> Table:
    """What became of the messages, one column per run."""
    return Table(
        ["messages", *(run.target for run in runs)],
        [
            ["sent", *(number(run.sent.sent) for run in runs)],
            ["sent per second", *(number(run.sent.rate) for run in runs)],
            ["stored", *(number(run.stored) for run in runs)],
            ["stored more than once", *(number(run.stored - run.unique) for run in runs)],
            ["lost", *(share(run.lost, run.sent.sent) for run in runs)],
            ["unaccounted in the balance", *(number(run.unaccounted or 0) for run in runs)],
            ["stored and searchable per second", *(number(run.searchable_rate) for run in runs)],
            [
                "all stored after the last was sent",
                *(f"{max(0, run.settled_s):.1f} s" for run in runs),
            ],
        ],
    )
