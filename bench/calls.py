# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to know the calls: the same load with and without correlation."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import cost
from bench.kemiscope import Kemiscope
from bench.report import Section, Table, number, ratio
from bench.run import Driver, Run, notes, on

RATES: Final = (8_000, 20_000)
SECONDS: Final = 20
QUICK_RATES: Final = (2_000,)
QUICK_SECONDS: Final = 4
LIMIT: Final = 1.3
"""Times the processor time of storing alone that correlation may take in all."""


def run(scratch: Path, *, quick: bool) -> Section:
    """Each rate with correlation.calls off, then on."""
    rates = QUICK_RATES if quick else RATES
    seconds = QUICK_SECONDS if quick else SECONDS
    runs: list[Run] = []
    rows: list[list[str]] = []
    for rate in rates:
        print(f"  {rate:,} messages/s for {seconds} s, messages alone and with calls …", flush=True)
        alone, _ = _measure(scratch / f"alone{rate}", rate, seconds, calls=False)
        both, counts = _measure(scratch / f"calls{rate}", rate, seconds, calls=True)
        runs += [alone, both]
        rows.append(_row(alone, both, counts))
    return Section(
        "calls",
        "correlation beside storing alone",
        "The same load with correlation.calls off and on, each in a fresh stack. The messages of a "
        "call are as far apart as stated above, so that its row is updated several times.",
        [
            Table(
                [
                    *("rate", "lost", "calls", "registrations", "CPU s per 1,000, alone"),
                    *("with calls", "ratio", f"of {LIMIT}"),
                ],
                rows,
            ),
            cost.cpu_table(runs),
            cost.footprint_table(runs),
        ],
        notes(runs),
        {found.target: found.data() for found in runs},
    )


def _measure(
    directory: Path, rate: int, seconds: int, *, calls: bool
) -> tuple[Run, tuple[int, int]]:
    target = Kemiscope(directory, settings={"correlation": {"calls": calls}})
    target.name = f"{rate:,}/s, {'with calls' if calls else 'alone'}"

    def work(driver: Driver) -> tuple[Run, tuple[int, int]]:
        result = driver.run(rate, seconds)
        found = target.connection.execute(
            "SELECT (SELECT count(*) FROM call), (SELECT count(*) FROM registration)"
        ).fetchone()
        return result, found or (0, 0)

    return on(target, work)


def _row(alone: Run, both: Run, counts: tuple[int, int]) -> list[str]:
    costs = [found.cpu_total / max(1, found.stored) * 1000 for found in (alone, both)]
    times = costs[1] / costs[0]
    return [
        *(f"{both.asked:,.0f}/s", number(both.lost), *(number(count) for count in counts)),
        *(f"{costs[0]:.4f}", f"{costs[1]:.4f}", f"{times:.2f}", ratio(times, LIMIT)),
    ]
