# SPDX-License-Identifier: GPL-2.0-or-later
"""Half an hour of load with retention at work: does anything grow?"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from bench import loss, measure
from bench.kemiscope import Kemiscope
from bench.load import Load, Sent
from bench.report import Section, Table, number
from collector.tables import PARTITIONED
from stack import api

RATE: Final = 5_000
SECONDS: Final = 1_800
QUICK_SECONDS: Final = 20
SAMPLES: Final = 90
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    # What comes in within eight minutes: that much is needed for partitions to be ended early.
    "retention": {"max_bytes": 3 << 30},
    "partition": {"interval": 300.0, "ahead": 1},
    "clock": {"accept_future": 10.0},
}
STEADY_FROM: Final = 0.5
"""Share of the time after which the first data has gone and PostgreSQL has its buffers."""
_POSTGRES: Final = "max_wal_size = 1GB\n"
"""Reached, and used again, long before the end."""
_CATCH_UP_S: Final = 60
_QUESTIONS: Final = ("/api/v1/status", "/api/v1/calls?from=-1m", "/api/v1/messages?from=-1m")
"""Asked with every look."""
_MIB: Final = 1 << 20
_DATABASE_TABLES: Final = [table.name for table in PARTITIONED]


@dataclass(frozen=True, slots=True)
class Moment:
    """What is there ``at`` seconds after the load began. Memory, disk and journal in bytes."""

    at: float
    memory: dict[str, int]
    """By group of processes."""
    descriptors: dict[str, int]
    """Open files, by group of processes."""
    messages: int
    """The tables that retention empties, with their indexes."""
    disk: int
    """All files of the stack: database, write-ahead log, journal, logs."""
    journal: int
    waiting: int
    """Packets in the journal that are no rows yet."""

    def figures(self) -> dict[str, float]:
        """By name, in the units of the report."""
        return {
            **{f"memory of {name}, MiB": value / _MIB for name, value in self.memory.items()},
            "memory, MiB": sum(self.memory.values()) / _MIB,
            **{f"open files of {name}": value for name, value in self.descriptors.items()},
            "message tables, MiB": self.messages / _MIB,
            "disk, MiB": self.disk / _MIB,
            "journal, MiB": self.journal / _MIB,
            "packets that wait": self.waiting,
        }


class Soaked(Kemiscope):
    """The whole stack; the web API is asked with every look."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, _POSTGRES, settings=SETTINGS)
        self._directory = directory
        self.unanswered = 0
        """Questions to the web API without an answer in time."""

    def start(self) -> None:
        """Start all parts."""
        super().start()
        self._trial.start_webapi()

    def groups(self) -> dict[str, list[int]]:
        """The web API as one of them."""
        web = self._trial.webapi
        return super().groups() | {"web API": [web.process.pid] if web and web.process else []}

    def moment(self, at: float) -> Moment:
        """What is there now."""
        self.unanswered += sum(not self._answers(path) for path in _QUESTIONS)
        groups = self.groups() | {"PostgreSQL": measure.tree(self.cluster.pid)}
        found = self.connection.execute(
            """
            SELECT (SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
                      FROM unnest(%s::text[]) AS name, pg_partition_tree(name::regclass)
                     WHERE isleaf),
                   (SELECT sum(waiting)::bigint FROM capture_node)
            """,
            (_DATABASE_TABLES,),
        ).fetchone()
        messages, waiting = found or (0, 0)
        return Moment(
            at,
            {name: measure.usage(pids).rss_bytes for name, pids in groups.items()},
            {name: measure.descriptors(pids) for name, pids in groups.items()},
            messages,
            measure.octets(self._directory),
            measure.octets(self._directory / "journal"),
            waiting or 0,
        )

    def _answers(self, path: str) -> bool:
        try:
            status, _ = api.get(self._trial.settings, path, {})
        except (OSError, HTTPException):
            return False
        return status == HTTPStatus.OK

    def dropped(self) -> tuple[int, int]:
        """Partitions that retention has dropped, and their bytes."""
        found = self.connection.execute(
            "SELECT count(*), coalesce(sum(octets), 0)::bigint FROM retention_log"
        ).fetchone()
        return found or (0, 0)


def run(scratch: Path, *, quick: bool, seconds: int = 0) -> Section:
    """5,000 messages/s for half an hour, or for ``seconds``."""
    seconds = seconds or (QUICK_SECONDS if quick else SECONDS)
    print(f"  {RATE:,} messages/s for {seconds} s …", flush=True)
    target = Soaked(scratch / "soak")
    moments: list[Moment] = []
    try:
        target.start()
        sent = _load(target, seconds, moments)
        target.settle(sent.sent, _CATCH_UP_S)
        outcome = _outcome(target, sent)
        settings = target.settings()
    finally:
        target.stop()
    return Section(
        "soak",
        f"{RATE:,} messages/s for {seconds} s over UDP, with retention by bytes",
        "A fresh stack with its web API. Memory is the proportional share of each process; the "
        f"last columns are of the last {seconds * (1 - STEADY_FROM):.0f} s, and the growth is that "
        "of a straight line through them.",
        [
            Table(["", ""], [[name, number(value)] for name, value in outcome.items()]),
            _table(moments),
        ],
        [
            f"retention.max_bytes {SETTINGS['retention']['max_bytes'] >> 20:,} MiB.",
            "The write-ahead log is on the same disk.",
            settings,
        ],
        {"outcome": outcome, "moments": [asdict(one) for one in moments]},
    )


def _load(target: Soaked, seconds: int, moments: list[Moment]) -> Sent:
    moments.append(target.moment(0))
    load = Load(target.port, RATE * seconds, RATE)
    began = time.monotonic()
    try:
        while True:
            try:
                return load.wait(seconds / SAMPLES)
            except subprocess.TimeoutExpired:
                moments.append(target.moment(time.monotonic() - began))
    except BaseException:
        load.stop()
        raise


def _outcome(target: Soaked, sent: Sent) -> dict[str, int]:
    rows, unique = target.stored()
    partitions, octets = target.dropped()
    causes = target.causes()
    return {
        "sent": sent.sent,
        loss.KERNEL: target.kernel_drops(),
        "lost by any other cause": sum(causes.values()) - causes["kernel"],
        "unaccounted in the balance": target.unaccounted() or 0,
        "partitions dropped by retention": partitions,
        "their MiB": octets // _MIB,
        "questions that the web API did not answer": target.unanswered,
        "rows kept": rows,
        "rows kept more than once": rows - unique,
    }


def _table(moments: list[Moment]) -> Table:
    steady = [one for one in moments if one.at >= STEADY_FROM * moments[-1].at]
    shown = [moments[0], steady[0], moments[-1]]
    head = ["", *(f"at {one.at:.0f} s" for one in shown), "lowest", "highest", "growth per hour"]
    rows = []
    for name in moments[0].figures():
        values = [one.figures()[name] for one in steady]
        line = statistics.linear_regression([one.at / 3600 for one in steady], values)
        cells = (*(one.figures()[name] for one in shown), min(values), max(values), line.slope)
        rows.append([name, *(number(value, int("MiB" in name)) for value in cells)])
    return Table(head, rows)
