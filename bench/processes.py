# SPDX-License-Identifier: GPL-2.0-or-later
"""How many UDP workers and ingest processes: the same loads with each number of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from bench import cost, loss
from bench.kemiscope import Kemiscope
from bench.report import Section, Table
from bench.run import Driver, Run, notes, on
from bench.target import TRACK_COMMITS
from collector.settings import Settings


class Choice(NamedTuple):
    """A number of processes of each kind, and how much ingest gives way to receiving."""

    workers: int
    ingest: int
    nice: int

    @property
    def label(self) -> str:
        """As the report names it."""
        return f"{self.workers} UDP, {self.ingest} ingest, nice {self.nice}"


NICE: Final = Settings().ingest.nice
CHOICES: Final = (
    *(Choice(workers, ingest, NICE) for workers in (1, 2) for ingest in (1, 2)),
    *(Choice(2, 3, NICE), Choice(4, 2, NICE), *(Choice(2, 2, nice) for nice in (0, 5, 15))),
)
QUICK_CHOICES: Final = CHOICES[:1]
RATES: Final = (8_000, 20_000, 60_000)
QUICK_RATES: Final = (4_000,)
SECONDS: Final = 15
QUICK_SECONDS: Final = 3


def run(scratch: Path, *, quick: bool) -> Section:
    """A fresh stack for each choice, which takes each rate one after the other."""
    choices = QUICK_CHOICES if quick else CHOICES
    rates = QUICK_RATES if quick else RATES
    seconds = QUICK_SECONDS if quick else SECONDS
    runs: list[Run] = []
    tables = []
    for number, choice in enumerate(choices):
        found = _measure(scratch / str(number), choice, rates, seconds)
        tables.append(_table(choice, found))
        runs += found
    return Section(
        "processes",
        f"numbers of processes, {seconds} s at each rate",
        "hep.workers, ingest.processes and ingest.nice; everything else as by default.",
        tables,
        notes(runs),
        {run.target: run.data() for run in runs},
    )


def _measure(directory: Path, choice: Choice, rates: tuple[int, ...], seconds: int) -> list[Run]:
    print(f"  {choice.label} …", flush=True)
    settings = {
        "hep": {"workers": choice.workers},
        "ingest": {"processes": choice.ingest, "nice": choice.nice},
    }
    target = Kemiscope(directory, TRACK_COMMITS, settings=settings)

    def work(driver: Driver) -> list[Run]:
        found = []
        for rate in rates:
            target.name = f"{choice.label}, {rate:,}/s"
            found.append(driver.run(rate, seconds, latency=True))
        return found

    return on(target, work)


def _table(choice: Choice, runs: list[Run]) -> Table:
    return Table(
        [choice.label, "lost", "CPU µs per message", "times the limit", "p99", "all stored after"],
        [
            [
                f"{run.asked:,.0f}/s",
                loss.share(run.lost, run.sent.sent),
                f"{run.cpu_total / max(1, run.stored) * 1e6:.1f}",
                cost.times_limit(run),
                f"{run.latency.p99:.2f} s" if run.latency else "-",
                f"{max(0, run.settled_s):.1f} s",
            ]
            for run in runs
        ],
    )
