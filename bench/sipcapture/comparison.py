# SPDX-License-Identifier: GPL-2.0-or-later
"""kemiscope beside ``sipcapture``: highest lossless rate, and cost at a rate that both hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench import climb, cost
from bench.climb import Climb
from bench.kemiscope import Kemiscope
from bench.report import Section, Table, ratio
from bench.run import Driver, Run, notes, on
from bench.sipcapture.node import ASYNC_WORKERS, Sipcapture, Variant
from bench.target import TRACK_COMMITS, Target

VARIANTS: Final = (
    Variant("all indexes"),
    Variant("8 workers", workers=8),
    Variant("async insert", mode="async"),
    Variant("synchronous commit", synchronous_commit=True),
    Variant("primary key only", indexes=False),
)
QUICK_VARIANTS: Final = (VARIANTS[0],)
STEP_S: Final = 5
QUICK_STEP_S: Final = 2
COMMON_S: Final = 20
QUICK_COMMON_S: Final = 4

_Make = Callable[..., Target]

_ABOUT: Final = (
    "The same sender and messages, the same socket buffer, log levels, memory manager of Kamailio "
    "and PostgreSQL settings. "
    "kemiscope runs with its defaults, each transaction synced to disk. sipcapture runs with "
    "synchronous_commit = off unless the table says otherwise: it commits message by message. Its "
    "table is not partitioned and has a primary key (id, date) and indexes on date, callid, "
    "callid_aleg, ruri_user, from_user, to_user, pid_user and auth_user, as its documented schema. "
    "db_insert_mode is 0; db_postgres has no delayed insert, so mode 1 is the same; mode 2 (async) "
    f"uses {ASYNC_WORKERS} async workers. A step counts as lossless when every message sent is a "
    "row; one with loss was tried twice. kemiscope may be lossless above the rate at which it "
    "keeps up, since the journal holds the rest: both rates are given. To keep up is to lose "
    f"nothing and to make messages searchable at {climb.KEPT_UP:.0%} of the rate at which they are "
    "sent or more. Ratios are kemiscope's figure divided by that of the row."
)


def run(scratch: Path, *, quick: bool) -> Section:
    """Climb with each, then load each at one rate and compare what that costs."""
    variants = QUICK_VARIANTS if quick else VARIANTS
    steps = climb.QUICK_STEPS if quick else climb.STEPS
    makers: list[_Make] = [Kemiscope, *(partial(Sipcapture, variant) for variant in variants)]

    def climb_up(driver: Driver) -> Climb:
        return climb.climb(driver, steps, QUICK_STEP_S if quick else STEP_S)

    climbs = [on(make(scratch / f"climb{n}"), climb_up) for n, make in enumerate(makers)]
    ours, theirs = climbs[0], dict(zip(variants, climbs[1:], strict=True))
    best = max((v for v in variants if v.indexes), key=lambda variant: theirs[variant].lossless)

    compared = [best, *(variant for variant in variants if not variant.indexes)]
    rate = _below(min(theirs[variant].kept_up for variant in compared), steps)
    costs = []
    makers = [Kemiscope, *(partial(Sipcapture, variant) for variant in compared)]
    for n, make in enumerate(makers):
        target = make(scratch / f"common{n}", TRACK_COMMITS)
        print(f"  {target.name}: {rate:,.0f}/s", flush=True)
        costs.append(on(target, lambda driver: _common(driver, rate, quick=quick)))
    return Section(
        "sipcapture",
        "kemiscope beside Kamailio's own capture module",
        _ABOUT,
        [
            _summary(climbs),
            *(found.table() for found in climbs),
            cost.footprint_table(costs),
            cost.cpu_table(costs),
        ],
        [*_ratios(ours, theirs[best], costs), *notes([*(c.runs[0] for c in climbs), *costs])],
        {
            "climbs": {
                found.target: {
                    "lossless": found.lossless,
                    "kept_up": found.kept_up,
                    "runs": [item.data() for item in found.runs],
                }
                for found in climbs
            },
            "common": {found.target: found.data() for found in costs},
        },
    )


def _common(driver: Driver, rate: float, *, quick: bool) -> Run:
    return driver.run(rate, QUICK_COMMON_S if quick else COMMON_S, latency=True)


def _below(rate: float, steps: Sequence[float]) -> float:
    """The step before ``rate``: what is held with ease. The first step has none."""
    return max((step for step in steps if step < rate), default=steps[0])


def _summary(climbs: Sequence[Climb]) -> Table:
    ours = climbs[0]
    return Table(
        ["", "lossless up to", "ratio", "keeps up to", "ratio", "most searchable", "ratio"],
        [
            [
                found.target,
                f"{found.lossless:,.0f}/s",
                ratio(ours.lossless, found.lossless),
                f"{found.kept_up:,.0f}/s",
                ratio(ours.kept_up, found.kept_up),
                f"{found.most:,.0f}/s",
                ratio(ours.most, found.most),
            ]
            for found in climbs
        ],
    )


def _ratios(ours: Climb, best: Climb, costs: Sequence[Run]) -> list[str]:
    mine, rival = costs[0], costs[1]
    disk = [sum(found.disk) / max(1, found.stored) for found in (mine, rival)]
    cpu = [found.cpu_total / max(1, found.stored) for found in (mine, rival)]
    lossless = ratio(ours.lossless, best.lossless)
    common = f"{mine.asked:,.0f} messages/s for {mine.sent.seconds:.0f} s"
    return [
        f"Lossless rate: {lossless} times that of the best form with indexes ({best.target}).",
        f"The last two tables: {common}, a step below what each of them keeps up with.",
        "There track_commit_timestamp is on for all.",
        f"Bytes per message at that rate: {ratio(disk[0], disk[1])} times {rival.target}.",
        f"Processor time at that rate: {ratio(cpu[0], cpu[1])} times {rival.target}.",
    ]
