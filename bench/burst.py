# SPDX-License-Identifier: GPL-2.0-or-later
"""A burst as fast as the sender can: what the kernel did not drop is stored, the rest counted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import limit, loss
from bench.kemiscope import Kemiscope
from bench.report import Section, Table, number, ratio
from bench.run import Run, notes, on
from bench.sipcapture.node import Sipcapture, Variant
from bench.target import Target
from collector.causes import Cause

COUNT: Final = 100_000
QUICK_COUNT: Final = 20_000


def run(scratch: Path, *, quick: bool) -> Section:
    """The same burst at kemiscope and at its rival."""
    count = QUICK_COUNT if quick else COUNT
    results = [
        _burst(Kemiscope(scratch / "kemiscope"), count),
        _burst(Sipcapture(Variant("all indexes"), scratch / "sipcapture"), count),
    ]
    ours, theirs = results
    return Section(
        "burst",
        f"{count:,} messages as fast as the sender can",
        "How many reach the receiver is a matter of the socket buffer and of what the receiving "
        "processes get of the two cores beside the sender.",
        [Table(["", *(result.target for result in results)], _rows(results))],
        [
            f"Stored, as a ratio to sipcapture in this run: {ratio(ours.stored, theirs.stored)}.",
            *notes(results),
        ],
        {result.target: result.data() for result in results},
    )


def _burst(target: Target, count: int) -> Run:
    print(f"  {count:,} messages at once to {target.name} …", flush=True)
    return on(target, lambda driver: driver.run(0, 0, count=count))


def _rows(results: list[Run]) -> list[list[str]]:
    kernel = Cause.KERNEL.label
    return [
        ["sent", *(number(r.sent.sent) for r in results)],
        ["sent per second", *(number(r.sent.rate) for r in results)],
        ["stored", *(number(r.stored) for r in results)],
        ["stored more than once", *(number(r.stored - r.unique) for r in results)],
        [
            "stored, as a ratio to what a bare receiver takes of such a burst",
            *(ratio(r.stored, limit.received(0).share * r.sent.sent) for r in results),
        ],
        ["dropped by the kernel", *(loss.share(r.kernel, r.sent.sent) for r in results)],
        [
            "… as counted by the target itself",
            *(number(r.causes[kernel]) if r.causes else "not counted" for r in results),
        ],
        ["neither stored nor dropped there", *(number(r.lost - r.kernel) for r in results)],
        [
            "unaccounted in the balance",
            *("no balance" if r.unaccounted is None else number(r.unaccounted) for r in results),
        ],
        ["all searchable after", *(f"{max(0, r.settled_s):.2f} s" for r in results)],
    ]
