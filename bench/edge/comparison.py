# SPDX-License-Identifier: GPL-2.0-or-later
"""What tracing costs the proxy: processor time per call, and how long messages take to pass.

Everything runs on one processor that is kept awake. Across two, most of a proxy's processor time on
a virtual machine is that of waking the other one up, and varies by half.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import measure, quiet
from bench.edge.proxy import Proxy
from bench.edge.slice import DEFAULT_ALLOCATOR, FORMS, KEMI, Slice, section
from bench.edge.user_agents import Collector, Placed, place
from bench.edge.variant import BARE, HOOKS, NO_HOOKS, NO_RULE, OWN, TWO_COLLECTORS, Phase, Setting
from bench.report import Section

RATE: Final = 1_500
"""Calls per second: about a fifth of the processor for the proxy without hooks."""
SECONDS: Final = 1.2
ROUNDS: Final = 5
QUICK_CALLS: Final = 60
WARM_CALLS: Final = 300
SETTLE_S: Final = 0.5
"""After this the proxy has freed the transactions."""

# Kamailio's default allocator walks lists of free pieces, whose length is a matter of luck: it
# takes up to two thirds of the processor time, and another set of modules changes it by half.
ALLOCATOR: Final = ("-x", "tlsf", "-X", "tlsf")


class Rounds:
    """Runs the variants one after the other, several times, so that a drift meets all alike."""

    def __init__(self, scratch: Path, *, calls: int, rate: float) -> None:
        self.slices: list[Slice] = []
        self._scratch = scratch
        self._calls = calls
        self._rate = rate
        self._placed = 0
        self._round = 0
        self._form = ""

    def run(self) -> None:
        """One more round over all forms."""
        self._round += 1
        for form in FORMS:
            self._form = form
            self._pair()
            if form != DEFAULT_ALLOCATOR:
                for setting in (TWO_COLLECTORS, *OWN):
                    self._alone(setting)

    def _pair(self) -> None:
        """Without hooks and with them, in turn, where the difference is smallest."""
        with self._proxy(BARE) as bare, self._proxy(HOOKS) as hooks:
            first, second = (bare, NO_HOOKS), (hooks, NO_RULE)
            if self._round % 2:
                first, second = second, first
            for proxy, phase in (first, second, second, first):
                self._measure(proxy, phase)
            if self._form != DEFAULT_ALLOCATOR:
                for phase in HOOKS.phases[1:]:
                    self._measure(hooks, phase)

    def _alone(self, setting: Setting) -> None:
        with self._proxy(setting) as proxy:
            for phase in setting.phases:
                self._measure(proxy, phase)

    @contextmanager
    def _proxy(self, setting: Setting) -> Iterator[Proxy]:
        proxy = Proxy(
            self._scratch / f"{len(self.slices)}-{setting.tracing.name.lower()}",
            setting.tracing,
            kemi=self._form == KEMI,
            collectors=setting.collectors,
            options=() if self._form == DEFAULT_ALLOCATOR else ALLOCATOR,
        )
        try:
            proxy.start()
            self._place(proxy, min(WARM_CALLS, self._calls), Collector.READ)
            yield proxy
        finally:
            proxy.stop()

    def _measure(self, proxy: Proxy, phase: Phase) -> None:
        if phase.rules is not None:
            proxy.rules(*phase.rules)
        before, machine = proxy.cpu_s(), measure.machine()
        placed = self._place(proxy, self._calls, phase.collector)
        time.sleep(SETTLE_S)
        spent, elapsed = proxy.cpu_s() - before, measure.machine()
        busy = elapsed.busy_s - machine.busy_s - spent - placed.cpu_s
        foreign = max(0.0, busy / (elapsed.total_s - machine.total_s))
        name = str(phase.name)
        self.slices.append(Slice(self._form, name, self._round, spent, placed, foreign))

    def _place(self, proxy: Proxy, count: int, collector: Collector) -> Placed:
        placed = place(
            *(proxy.port, proxy.callee_port, proxy.hep_ports),
            count=count,
            rate=self._rate,
            first=self._placed,
            collector=collector,
        )
        self._placed += count
        return placed


def run(scratch: Path, *, quick: bool) -> Section:
    """All variants, native and KEMI, in rounds."""
    calls = QUICK_CALLS if quick else int(RATE * SECONDS)
    rounds = Rounds(scratch, calls=calls, rate=RATE)
    with _one_processor():
        for number in range(1 if quick else ROUNDS):
            if not quick:
                print(f"  round {number + 1} of {ROUNDS} …", flush=True)
                quiet.wait()
            rounds.run()
    return section(rounds.slices, RATE)


@contextmanager
def _one_processor() -> Iterator[None]:
    """For this process and its children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
