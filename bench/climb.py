# SPDX-License-Identifier: GPL-2.0-or-later
"""A climb: the same load at higher and higher rates, until it is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from bench import cost, loss
from bench.report import Table, number
from bench.run import Driver, Run

STEPS: Final = (
    *(2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 15_000, 20_000, 25_000, 30_000),
    *(35_000, 40_000, 50_000, 60_000, 80_000),
)
"""Messages per second."""
QUICK_STEPS: Final = (4_000, 10_000, 20_000)
LOSING_STEPS: Final = 2
"""The climb ends after so many steps with loss."""
KEPT_UP: Final = 0.95
"""A target keeps up when messages become searchable at least at this share of the rate of sending,
counted until the last one is: a larger backlog would fill any buffer in time."""


class Climb(NamedTuple):
    """The steps of one target."""

    target: str
    runs: list[Run]

    @property
    def lossless(self) -> float:
        """Highest rate in messages/s up to which nothing was lost; 0 if even the first step was."""
        return self._highest(lambda run: run.lost == 0)

    @property
    def kept_up(self) -> float:
        """Highest rate in messages/s up to which nothing was lost or left waiting."""
        return self._highest(
            lambda run: run.lost == 0 and run.searchable_rate >= KEPT_UP * run.sent.rate
        )

    @property
    def most(self) -> float:
        """Most messages that became searchable per second, whatever was lost beside them."""
        return max(run.searchable_rate for run in self.runs)

    def table(self) -> Table:
        """Loss beside rate, step by step."""
        return Table(
            [
                self.target,
                *("sent/s", "stored", "lost", "of it in the kernel"),
                *(
                    "searchable/s",
                    "all searchable after",
                    "CPU s per 1,000",
                    "times the limit",
                    "others",
                ),
            ],
            [
                [
                    f"{run.asked:,.0f}/s" + (" (2nd try)" if run.repeated else ""),
                    number(run.sent.rate),
                    number(run.stored),
                    loss.share(run.lost, run.sent.sent),
                    number(run.kernel),
                    number(run.searchable_rate),
                    f"{max(0, run.settled_s):.2f} s",
                    f"{run.cpu_total / max(1, run.stored) * 1000:.4f}",
                    cost.times_limit(run),
                    f"{run.foreign:.0%}",
                ]
                for run in self.runs
            ],
        )

    def _highest(self, good: Callable[[Run], bool]) -> float:
        return max((run.asked for run in takewhile(good, self.runs)), default=0)


def climb(driver: Driver, steps: Sequence[float], seconds: float) -> Climb:
    """Load a target at each of ``steps`` for ``seconds``, until two steps have lost messages.

    A step with loss is tried once more and the better try counts: something else may have had the
    processor for a moment.
    """
    runs: list[Run] = []
    losing = 0
    for rate in steps:
        run = driver.run(rate, seconds)
        if run.lost:
            again = driver.run(rate, seconds)
            if again.lost < run.lost:
                run = again
                run.repeated = True
        shown = loss.share(run.lost, run.sent.sent)
        print(f"  {driver.target.name}: {rate:,}/s, lost {shown}", flush=True)
        runs.append(run)
        losing += run.lost > 0
        if losing == LOSING_STEPS:
            break
    return Climb(driver.target.name, runs)
