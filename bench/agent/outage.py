# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of the agent away for a minute under load, the agent killed meanwhile: all there once?"""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.agent.feeder import Feeder
from bench.agent.server import Server
from bench.report import Section, Table, number
from stack.ports import free_port

RATE: Final = 2_000
AWAY_S: Final = 60.0
QUICK_AWAY_S: Final = 4.0
AROUND_S: Final = 5.0
"""Load before and after."""
_CATCH_UP_S: Final = 60.0
_POLL_S: Final = 0.1

STOPPED: Final = "stopped"
KILLED: Final = "killed"
BOTH: Final = "stopped, agent killed"
KINDS: Final = ("udp", "tcp")


@dataclass(slots=True)
class Outage:
    """One run."""

    kind: str
    server: str
    """How it went away, and what befell the agent meanwhile."""
    sent: int = 0
    lost: int = 0
    twice: int = 0
    caught_up_s: float = 0.0
    """After the return of the server, until it had what had waited."""


def run(scratch: Path, *, quick: bool) -> Section:
    """Every way for each kind of server, one after the other."""
    away_s = QUICK_AWAY_S if quick else AWAY_S
    results: list[Outage] = []
    for kind in KINDS:
        for how in (STOPPED, KILLED, BOTH):
            print(f"  {kind}, server {how} for {away_s:.0f} s …", flush=True)
            directory = scratch / f"{kind}-{len(results)}"
            directory.mkdir()
            results.append(_away(kind, how, directory, away_s))
    return Section(
        "agent-outage",
        f"the agent's server away for {away_s:.0f} s at {RATE:,} messages/s",
        "Worker, sender and server are processes of their own, with a spool on disk. A server that "
        "is killed takes with it what it has not read or not kept yet; when its kernel resets the "
        "connection, all that may not have been read is sent again.",
        [Table(["", "server", "sent", "lost", "twice", "caught up after"], _rows(results))],
        data={f"{one.kind} {one.server}": asdict(one) for one in results},
    )


def _away(kind: str, how: str, directory: Path, away_s: float) -> Outage:
    port = free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    server = Server(kind, port, directory / "numbers")
    flags = ["-hs", f"127.0.0.1:{port}", "-nt", kind, "-hep-buffer-activate"]
    flags += ["-hep-buffer-file", str(directory / "spool")]
    server.start()
    feeder = Feeder(0, RATE, flags)
    try:
        time.sleep(AROUND_S)
        server.stop(signal.SIGKILL if how == KILLED else signal.SIGTERM)
        time.sleep(away_s / 2)
        if how == BOTH:
            feeder.kill()
            feeder = Feeder(feeder.journaled(), RATE, flags)
        time.sleep(away_s / 2)
        waited = feeder.journaled()
        server.start()
        back = time.monotonic()
        while time.monotonic() - back < _CATCH_UP_S and max(server.numbers()) < waited - 1:
            time.sleep(_POLL_S)
        caught_up_s = time.monotonic() - back
        time.sleep(AROUND_S)
        feeder.end()
        sent = feeder.journaled()
        found = server.numbers()
    finally:
        feeder.stop()
        server.stop()
    lost = sent - len(found)
    return Outage(kind, how, sent, lost, found.total() - len(found), caught_up_s)


def _rows(results: list[Outage]) -> list[list[str]]:
    return [
        [
            *(one.kind, one.server, number(one.sent), number(one.lost), number(one.twice)),
            f"{one.caught_up_s:.1f} s",
        ]
        for one in results
    ]
