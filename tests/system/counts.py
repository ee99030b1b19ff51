# SPDX-License-Identifier: GPL-2.0-or-later
"""The published balance of a trial's only capture node."""

from __future__ import annotations

import psycopg

from collector.causes import CAUSES
from stack.trial import Trial


def node(trial: Trial) -> dict[str, int]:
    """received, waiting, unaccounted and every cause."""
    counts = dict.fromkeys((cause.label for cause in CAUSES), 0)
    with trial.connect() as connection:
        row = connection.execute(
            "SELECT received, waiting, unaccounted FROM capture_node"
        ).fetchone()
        counts |= zip(("received", "waiting", "unaccounted"), row or (0, 0, 0), strict=True)
        counts |= connection.execute("SELECT cause, messages FROM balance").fetchall()
    return counts


def wait_until_all_stored(trial: Trial, received: int, timeout_s: float = 60) -> None:
    """Wait until ``received`` packets have arrived and none waits in the journal."""

    def done() -> bool:
        try:
            counts = node(trial)
        except psycopg.OperationalError:
            return False
        return counts["received"] >= received and counts["waiting"] == 0

    trial.wait(done, f"{received} packets to be stored", timeout_s=timeout_s)
