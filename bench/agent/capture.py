# SPDX-License-Identifier: GPL-2.0-or-later
"""How much SIP the agent captures, from a cable and from a file, alone and beside a flood of RTP,
and what that costs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import quiet
from bench.agent import traffic
from bench.agent.cable import FAR, Cable, cable
from bench.agent.running import Agent, Cpu, Played, Player, Sink
from bench.report import NONE, Section, Table, number

RATES: Final = (2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000)
QUICK_RATES: Final = (500, 2_000)
SECONDS: Final = 10.0
"""Longer than ring and journal could hide that the agent is too slow."""
QUICK_SECONDS: Final = 0.5
FILE_FRAMES: Final = 130_000
QUICK_FILE_FRAMES: Final = 1_300
FLOOD_RATE: Final = 200_000
FLOOD_SIP_RATE: Final = 500
TWO: Final = ("-fg", "7", "-fw", "2")
TWO_RATES: Final = (20_000, 60_000)
_SIP: Final = ("-i", FAR, "-m", "SIP")
_SETTLE_S: Final = 1.0
"""After the last frame: then the agent has sent what it had in hand."""

_HEPLIFY: Final = (
    (
        "heplify is not on this machine. What the design has for it, from another run: 4.1 to 4.8 "
        "ms live and 3.1 to 3.6 ms from a file for 1,000 messages, every packet twice on the "
        "loopback, and up to 7 % unsent at the end of a file."
    ),
    (
        "The agent has one processor, player and receiver of HEP the other. On a cable of this "
        "kind the kernel copies a frame into the ring on the player's processor, which is not "
        "counted here; the sender's figures have the kernel's work up to the receiver's socket."
    ),
    (
        "A fresh agent for each row; losses are those of its exit line. Frames are addressed to "
        "no host, as on a mirror port."
    ),
)


@dataclass(slots=True)
class Run:
    """What came of one row."""

    name: str
    sent: int
    """SIP frames on the cable or in the file."""
    seconds: float
    captured: int
    delivered: int
    """HEP packets that arrived."""
    cpu: Cpu
    lost: dict[str, int] = field(default_factory=dict)
    flood: Played | None = None

    @property
    def rate(self) -> float:
        """SIP frames per second."""
        return self.sent / self.seconds

    def cells(self) -> list[str]:
        """For all tables."""
        lost = ", ".join(f"{name} {number(n)}" for name, n in self.lost.items() if name != "kernel")
        return [
            *(self.name, number(self.rate), number(self.sent), number(self.captured)),
            *(number(self.lost.get("kernel", 0)), lost or "0"),
            number(self.delivered),
            *(f"{cpu / max(1, self.captured) * 1e6:.2f}" for cpu in self.cpu),
        ]

    def data(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        flood = self.flood._asdict() if self.flood else None
        return asdict(self) | {"cpu": self.cpu._asdict(), "flood": flood}


_HEAD: Final = (
    *("SIP packets/s", "sent", "captured", "kernel drops", "other losses", "HEP packets received"),
    *("worker, CPU ms per 1,000", "sender, CPU ms per 1,000"),
)


class Bench:
    """All rows; ``scratch`` takes traffic and logs."""

    def __init__(self, at: Cable, scratch: Path, *, quick: bool) -> None:
        self._cable = at
        self._scratch = scratch
        self._quick = quick
        self._seconds = QUICK_SECONDS if quick else SECONDS
        first, *others = sorted(os.sched_getaffinity(0))
        self._players, self._agents = [first], others[:1] or [first]
        self._sip = traffic.write_sip(scratch / "sip.pcap")
        self._rtp = traffic.write_rtp(scratch / "rtp.pcap")

    def live(
        self,
        name: str,
        rate: float,
        flags: Sequence[str] = _SIP,
        *,
        flood: float = 0,
        pinned: bool = True,
    ) -> Run:
        """SIP at ``rate``, beside ``flood`` packets of RTP per second."""
        if not self._quick:
            quiet.wait()
        players = self._players if pinned else ()
        sink = Sink(self._cable, players)
        log = self._scratch / "agent.log"
        agent = Agent(self._cable, log, sink.port, flags, self._agents if pinned else ())
        try:
            agent.wait_ready()
            time.sleep(_SETTLE_S)
            before = agent.cpu()
            flooding = self._play(self._rtp, flood, players) if flood else None
            played = self._play(self._sip, rate, players).wait()
            flooded = flooding.wait() if flooding else None
            time.sleep(_SETTLE_S)
            after = agent.cpu()
            ended = agent.stop()
            delivered = sink.end()
        finally:
            agent.kill()
            sink.kill()
        cpu = Cpu(*(now - then for now, then in zip(after, before, strict=True)))
        run = (name, played.sent, played.seconds, ended.captured, delivered, cpu, ended.lost)
        return Run(*run, flooded)

    def _play(self, file: Path, rate: float, processors: Sequence[int]) -> Player:
        return Player(self._cable, file, int(rate * self._seconds), rate, processors)

    def from_file(self, name: str) -> Run:
        """At full speed, up to the end of the agent."""
        count = QUICK_FILE_FRAMES if self._quick else FILE_FRAMES
        file = traffic.write_sip(self._scratch / "file.pcap", count)
        if not self._quick:
            quiet.wait()
        sink = Sink(self._cable, self._players)
        flags = ("-rf", str(file), "-t", "pcap", "-rs", "-eof-exit", "-m", "SIP")
        log = self._scratch / "agent.log"
        agent = Agent(self._cable, log, sink.port, flags, self._agents)
        try:
            seconds = agent.watch()
            cpu = agent.cpu()
            ended = agent.stop()
            delivered = sink.end()
        finally:
            agent.kill()
            sink.kill()
        return Run(name, count, seconds, ended.captured, delivered, cpu, ended.lost)


def run(scratch: Path, *, quick: bool) -> Section:
    """Everything, one after the other."""
    rates, two_rates = (QUICK_RATES, QUICK_RATES[:1]) if quick else (RATES, TWO_RATES)
    with cable() as at:
        bench = Bench(at, scratch, quick=quick)
        print("  from a cable …", flush=True)
        live = [bench.live(f"{rate:,}/s", rate) for rate in rates]
        print("  from a file …", flush=True)
        file = [bench.from_file("from a file, -rs")]
        print("  beside RTP …", flush=True)
        both = ("-i", FAR)
        flood = [
            bench.live("without RTP", FLOOD_SIP_RATE, both),
            bench.live(f"beside {FLOOD_RATE:,} RTP/s", FLOOD_SIP_RATE, both, flood=FLOOD_RATE),
        ]
        print("  two workers …", flush=True)
        workers = [
            bench.live(f"{name} at {rate:,}/s", rate, [*_SIP, *flags], pinned=False)
            for rate in two_rates
            for name, flags in (("one worker", ()), ("-fw 2", TWO))
        ]
    whole = [one.rate for one in live if one.delivered == one.sent]
    flooded = flood[1].flood
    return Section(
        "agent",
        "what the agent captures, and what it costs",
        f"hepagent on a veth pair, one row after the other, {SECONDS:.0f} s each; HEP goes by UDP "
        "to a receiver on the loopback. CPU is that of the processes of the agent, per 1,000 SIP "
        "packets captured.",
        [
            Table(["-m SIP, from a cable", *_HEAD], [one.cells() for one in live]),
            Table(["-m SIP", *_HEAD], [one.cells() for one in file]),
            Table(["-m SIPRTCP", *_HEAD], [one.cells() for one in flood]),
            Table(["-m SIP, both processors", *_HEAD], [one.cells() for one in workers]),
        ],
        [
            f"Highest rate at which all arrived: {number(max(whole, default=0))} SIP packets/s.",
            (
                f"Of RTP, {number(flooded.rate) if flooded else NONE} packets/s were on the cable; "
                "the filter in the kernel keeps them from the ring."
            ),
            *_HEPLIFY,
        ],
        {
            name: [one.data() for one in runs]
            for name, runs in (
                *(("live", live), ("file", file)),
                *(("flood", flood), ("workers", workers)),
            )
        },
    )
