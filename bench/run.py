# SPDX-License-Identifier: GPL-2.0-or-later
"""One run: load a target, wait until it has settled, and read what it cost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

from bench import measure, quiet
from bench.load import Load, Sent
from bench.measure import Usage
from bench.target import Disk, Latency, Target

Result = TypeVar("Result")

SENDER: Final = "sender"
TRIES: Final = 5
"""Of a run while something else is busy."""
_SLOWEST: Final = 1_000
"""Messages per second that even a slow target stores: how long to wait for the rest."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory by group of processes, ``at`` seconds after the load began."""

    at: float
    rss_bytes: dict[str, int]


@dataclass(slots=True)
class Run:
    """What one run gave. Counts are packets; seconds of processor time by group of processes."""

    target: str
    asked: float
    """Packets per second; 0 for as many as the sender can."""
    sent: Sent
    stored: int
    unique: int
    kernel: int
    """Dropped by the kernel at the socket, from /proc/net/udp."""
    causes: dict[str, int]
    """What the target itself counted in this run."""
    unaccounted: int | None
    """Of the target's own balance; None if it keeps none."""
    settled_s: float
    """From the end of sending to the last commit."""
    cpu_s: dict[str, float]
    foreign: float
    """Share of the machine's processor time (0 … 1) that went elsewhere: if it is more than a few
    percent, something else was running and the figures are worth less."""
    wal_bytes: int
    samples: list[Sample]
    settings: str
    """What the target ran with, for the report."""
    disk: Disk
    latency: Latency | None = None
    repeated: bool = False
    """The first try at this rate lost more."""

    @property
    def lost(self) -> int:
        """Sent and not stored."""
        return self.sent.sent - self.stored

    @property
    def searchable_rate(self) -> float:
        """Messages per second from the first one sent to the last one stored."""
        return self.stored / (self.sent.seconds + max(0.0, self.settled_s))

    def cpu_per_1000(self, group: str) -> float:
        """Processor milliseconds per message, or seconds per 1,000 messages stored."""
        return self.cpu_s[group] / max(1, self.stored) * 1000

    @property
    def cpu_total(self) -> float:
        """Processor seconds of the target, without the sender."""
        return sum(seconds for name, seconds in self.cpu_s.items() if name != SENDER)

    def data(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return {
            **asdict(self),
            "sent": self.sent._asdict(),
            "disk": self.disk._asdict(),
            "latency": self.latency and self.latency._asdict(),
            "lost": self.lost,
            "searchable_rate": self.searchable_rate,
        }


class Driver:
    """Runs on one target, one after the other; packet numbers go on, so they stay unique."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._sent = 0

    def run(
        self,
        rate: float,
        seconds: float,
        *,
        count: int = 0,
        latency: bool = False,
        sample_s: float = 0,
    ) -> Run:
        """Send at ``rate``/s for ``seconds``, or ``count`` packets; the tables are emptied before.

        Waits for a quiet machine first, and tries again when something else was running meanwhile;
        the least disturbed try counts. ``sample_s`` is the interval at which memory is read; 0 for
        at the beginning and the end.
        """
        count = count or int(rate * seconds)
        tries: list[Run] = []
        while len(tries) < TRIES and not any(run.foreign <= quiet.BUSY for run in tries):
            quiet.wait()
            tries.append(self._run(count, rate, sample_s, latency=latency))
            if tries[-1].foreign > quiet.BUSY:
                print(
                    f"  disturbed: {tries[-1].foreign:.0%} of the time went elsewhere", flush=True
                )
        return min(tries, key=lambda run: run.foreign)

    def _run(self, count: int, rate: float, sample_s: float, *, latency: bool) -> Run:
        target = self.target
        target.empty()
        kernel, causes, wal = target.kernel_drops(), target.causes(), target.wal_bytes()
        before, machine = target.usage(), measure.machine()
        samples = [_sample(0, before)]
        load = Load(
            *(target.port, count, rate, self._sent),
            protocol=target.protocol,
            connections=target.connections,
        )
        try:
            sent = _watch(target, load, samples, sample_s)
        except BaseException:
            load.stop()
            raise
        ended = time.time()
        self._sent += sent.sent
        settled = target.settle(self._sent, 15 + sent.sent / _SLOWEST)
        after, elapsed = target.usage(), measure.machine()
        samples.append(_sample(time.time() - ended + sent.seconds, after))
        cpu = {name: after[name].cpu_s - before[name].cpu_s for name in after}
        cpu[SENDER] = sent.cpu_s
        busy = elapsed.busy_s - machine.busy_s - sum(cpu.values())
        # Only now: these queries cost PostgreSQL more than the run.
        wal = target.wal_bytes() - wal
        stored, unique = target.stored()
        return Run(
            target.name,
            rate,
            sent,
            stored,
            unique,
            target.kernel_drops() - kernel,
            {name: value - causes.get(name, 0) for name, value in target.causes().items()},
            target.unaccounted(),
            settled - ended,
            cpu,
            max(0.0, busy / (elapsed.total_s - machine.total_s)),
            wal,
            samples,
            target.settings(),
            target.disk(),
            target.latency() if latency and stored else None,
        )


def on(target: Target, work: Callable[[Driver], Result]) -> Result:
    """Do ``work`` on a target that runs for this long only."""
    try:
        target.start()
        return work(Driver(target))
    finally:
        target.stop()


def notes(runs: Sequence[Run]) -> list[str]:
    """For the report: what the runs were made with, and how undisturbed they were."""
    foreign = max(run.foreign for run in runs)
    return [
        f"Processor time taken by anything else than sender and target: at most {foreign:.0%}.",
        *dict.fromkeys(run.settings for run in runs),
    ]


def _watch(target: Target, load: Load, samples: list[Sample], interval_s: float) -> Sent:
    started = time.monotonic()
    while True:
        try:
            return load.wait(interval_s or None)
        except subprocess.TimeoutExpired:
            samples.append(_sample(time.monotonic() - started, target.usage()))


def _sample(at: float, usage: dict[str, Usage]) -> Sample:
    return Sample(at, {name: found.rss_bytes for name, found in usage.items()})
