# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over connections: a steady load over each protocol, and as much as the node takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import cost, loss
from bench.kemiscope import Kemiscope
from bench.report import Section, Table, number
from bench.run import SENDER, Driver, Run, notes, on
from collector.settings.endpoint import STREAMS, UDP

RATE: Final = 32_000
SECONDS: Final = 20
QUICK_SECONDS: Final = 3
COUNT: Final = 600_000
QUICK_COUNT: Final = 60_000
CONNECTIONS: Final = 4


def run(scratch: Path, *, quick: bool) -> Section:
    """One node with a socket for every protocol; UDP stands beside them for comparison."""
    target = Kemiscope(scratch / "kemiscope", streams=[name for name in STREAMS if name != "tcp"])
    seconds, count = (QUICK_SECONDS, QUICK_COUNT) if quick else (SECONDS, COUNT)

    def measure(driver: Driver) -> tuple[list[Run], list[Run]]:
        steady, fastest = [], []
        for protocol in (*STREAMS, UDP):
            target.use(protocol, CONNECTIONS)
            print(f"  {target.name}: {RATE:,} messages/s for {seconds} s …", flush=True)
            steady.append(driver.run(RATE, seconds))
        for protocol in STREAMS:
            target.use(protocol, CONNECTIONS)
            print(f"  {target.name}: {count:,} messages as fast as they are taken …", flush=True)
            fastest.append(driver.run(0, 0, count=count))
        return steady, fastest

    steady, fastest = on(target, measure)
    return Section(
        "streams",
        f"{RATE:,} messages/s over {CONNECTIONS} connections, by protocol",
        "The sender writes a TLS record for each packet, as senders do, and a masked WebSocket "
        "frame. Below, as fast as it can: a connection is not read faster than its packets can be "
        "journaled, so the rate of sending is the rate of receiving.",
        [_table("", steady), cost.cpu_table(steady), _table("as fast as taken", fastest)],
        [
            "Processor time of the kernel for a packet on the loopback is mostly the sender's.",
            *notes([*steady, *fastest]),
        ],
        {
            "steady": {one.target: one.data() for one in steady},
            "fastest": {one.target: one.data() for one in fastest},
        },
    )


def _table(title: str, runs: Sequence[Run]) -> Table:
    rows = [
        ["sent", *(number(run.sent.sent) for run in runs)],
        ["sent and taken per second", *(number(run.sent.rate) for run in runs)],
        ["stored", *(number(run.stored) for run in runs)],
        ["stored more than once", *(number(run.stored - run.unique) for run in runs)],
        ["lost", *(loss.share(run.lost, run.sent.sent) for run in runs)],
        ["unaccounted in the balance", *(number(run.unaccounted or 0) for run in runs)],
        ["searchable per second", *(number(run.searchable_rate) for run in runs)],
        ["all searchable after", *(f"{max(0, run.settled_s):.2f} s" for run in runs)],
        *(
            [
                f"{group}, share of a core",
                *(f"{run.cpu_s[group] / run.sent.seconds:.0%}" for run in runs),
            ]
            for group in ("listener", SENDER)
        ),
    ]
    return Table([title, *(run.target for run in runs)], rows)
