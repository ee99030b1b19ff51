# SPDX-License-Identifier: GPL-2.0-or-later
"""A steady load for a minute: is everything stored, how soon, at what cost, without growing?"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import cost, loss
from bench.kemiscope import Kemiscope
from bench.report import Section
from bench.run import notes, on
from bench.target import TRACK_COMMITS

RATE: Final = 20_000
SECONDS: Final = 60
QUICK_SECONDS: Final = 5
SAMPLES: Final = 12


def run(scratch: Path, *, quick: bool) -> Section:
    """20,000 messages/s over UDP into a fresh stack with default settings."""
    seconds = QUICK_SECONDS if quick else SECONDS
    print(f"  {RATE:,} messages/s for {seconds} s …", flush=True)
    target = Kemiscope(scratch / "kemiscope", TRACK_COMMITS)
    result = on(
        target,
        lambda driver: driver.run(RATE, seconds, latency=True, sample_s=seconds / SAMPLES),
    )
    return Section(
        "sustained",
        f"{RATE:,} messages/s for {seconds} s over UDP",
        "A fresh stack with the default settings; time to searchable is that from the sender's "
        "clock in the message to the commit of its row, over all rows.",
        [
            loss.outcome_table([result]),
            loss.stage_table([result]),
            cost.footprint_table([result]),
            cost.cpu_table([result]),
            cost.memory_table(result),
        ],
        [
            "PostgreSQL's memory grows until its shared_buffers (256 MB) are full, then stays.",
            *notes([result]),
        ],
        result.data(),
    )
