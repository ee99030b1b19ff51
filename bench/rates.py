# SPDX-License-Identifier: GPL-2.0-or-later
"""High rates: nothing lost for a minute, and for half a minute more than is stored meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import cost, loss
from bench.kemiscope import Kemiscope
from bench.report import Section
from bench.run import Driver, Run, notes, on
from bench.target import TRACK_COMMITS

LOADS: Final = ((60_000, 60), (100_000, 30))
"""Messages per second, and for how many seconds."""
QUICK_LOADS: Final = ((20_000, 3), (30_000, 3))
SAMPLE_S: Final = 2.0


def run(scratch: Path, *, quick: bool) -> Section:
    """Each load into a fresh stack with the default settings."""
    loads = QUICK_LOADS if quick else LOADS
    runs = [_measure(scratch / str(rate), rate, seconds) for rate, seconds in loads]
    shown = " and ".join(f"{rate:,} messages/s for {seconds} s" for rate, seconds in loads)
    return Section(
        "rates",
        f"{shown} over UDP",
        "A fresh stack with the default settings for each. What is not stored when the sender ends "
        "waits in the journal and is worked off afterwards; time to searchable includes that.",
        [
            loss.outcome_table(runs),
            loss.stage_table(runs),
            cost.footprint_table(runs),
            cost.cpu_table(runs),
            cost.node_memory_table(runs),
        ],
        notes(runs),
        {found.target: found.data() for found in runs},
    )


def _measure(directory: Path, rate: int, seconds: int) -> Run:
    print(f"  {rate:,} messages/s for {seconds} s …", flush=True)
    target = Kemiscope(directory, TRACK_COMMITS)
    target.name = f"{rate:,}/s for {seconds} s"

    def work(driver: Driver) -> Run:
        return driver.run(rate, seconds, latency=True, sample_s=SAMPLE_S)

    return on(target, work)
