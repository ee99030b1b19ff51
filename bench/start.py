# SPDX-License-Identifier: GPL-2.0-or-later
"""From the start of the capture node to the first packet that it has journaled, and stored."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Final, NamedTuple

from bench import mix, quiet
from bench.report import Section, Table
from collector.journal.counters import Counters, Field, Role
from stack.errors import StackError
from stack.trial import Trial

STARTS: Final = 5
QUICK_STARTS: Final = 2
_PAUSE_S: Final = 0.002
_PATIENCE_S: Final = 30.0


class Started(NamedTuple):
    """Seconds since the program was started."""

    journaled: float
    stored: float


def run(scratch: Path, *, quick: bool) -> Section:
    """Start the same node again and again; PostgreSQL runs all the time."""
    trial = Trial(scratch / "kemiscope")
    try:
        trial.start_database()
        found = [_start(trial, number) for number in range(QUICK_STARTS if quick else STARTS)]
    finally:
        trial.stop()
    journaled, stored = (sorted(values) for values in zip(*found, strict=True))
    return Section(
        "start",
        "from the start of the program to the first packet",
        f"{len(found)} starts with the default settings. A packet is sent every "
        f"{_PAUSE_S * 1000:.0f} ms from the start on; journaled is the first one that a UDP worker "
        "has appended, stored the first that is a row.",
        [
            Table(
                ["s", "shortest", "middle", "longest"],
                [_row("journaled", journaled), _row("stored", stored)],
            )
        ],
        data={"starts": [one._asdict() for one in found]},
    )


def _start(trial: Trial, number: int) -> Started:
    quiet.wait()
    packets = mix.packets()
    before = time.time()
    begun = time.monotonic()
    program = trial.launch_capture()
    address = ("127.0.0.1", trial.hep_port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        journaled, sent = 0.0, 0
        while time.monotonic() - begun < _PATIENCE_S:
            sender.sendto(mix.fill(packets, number * 1_000_000 + sent), address)
            sent += 1
            time.sleep(_PAUSE_S)
            times = _times(trial, before)
            journaled = journaled or times.journaled
            if times.stored:
                break
        else:
            message = f"the capture node has not stored anything; see {trial.log}"
            raise StackError(message)
    program.stop()
    return Started(journaled - before, times.stored - before)


def _times(trial: Trial, after: float) -> Started:
    """When the node has last journaled and committed; 0 for what was before its start."""
    counters = Counters(Path(trial.settings.journal.directory))
    slots = [counters.slot(number).tolist() for number in counters.used_slots()]
    counters.close()
    last = [
        max((slot[field] for slot in slots if slot[Field.ROLE] == role), default=0) / 1e9
        for role, field in ((Role.UDP, Field.LAST_PACKET), (Role.INGEST, Field.LAST_COMMIT))
    ]
    return Started(*(at if at > after else 0.0 for at in last))


def _row(name: str, values: list[float]) -> list[str]:
    return [name, *(f"{values[at]:.2f}" for at in (0, len(values) // 2, -1))]
