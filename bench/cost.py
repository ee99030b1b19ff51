# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs cost, as tables: one column per run, so that rivals stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench import limit
from bench.report import NONE, Table, number, ratio
from bench.run import SENDER, Run
from bench.target import DATABASE

MIB: Final = 1 << 20


def limit_s(run: Run) -> float:
    """Processor seconds per 1,000 messages that the machine takes at the least, at that rate."""
    return limit.us(run.asked) / 1000


def times_limit(run: Run) -> str:
    """How many times the limit a run took, the sender's time left out."""
    return ratio(run.cpu_total / max(1, run.stored) * 1000, limit_s(run))


def cpu_table(runs: Sequence[Run]) -> Table:
    """Processor seconds per 1,000 messages by group of processes, and beside them the limit."""
    groups = list(dict.fromkeys(name for run in runs for name in run.cpu_s))
    groups.sort(key=lambda name: name == SENDER)
    rows = [
        [name, *(f"{run.cpu_per_1000(name):.4f}" if name in run.cpu_s else NONE for run in runs)]
        for name in groups
    ]
    total = [f"{run.cpu_total / max(1, run.stored) * 1000:.4f}" for run in runs]
    rows.insert(-1, ["all but the sender", *total])
    for name, part in (
        ("limit: a bare receiver", lambda run: limit.received(run.asked).us / 1000),
        ("limit: COPY of ready rows", lambda _: limit.copied().us / 1000),
        ("limit", limit_s),
    ):
        rows.append([name, *(f"{part(run):.4f}" for run in runs)])
    rows.append(["all but the sender, times the limit", *map(times_limit, runs)])
    return Table(["CPU s per 1,000 messages", *(run.target for run in runs)], rows)


def memory_table(run: Run) -> Table:
    """Resident memory by group of processes: start, middle, end."""
    first, middle, last = run.samples[0], run.samples[len(run.samples) // 2], run.samples[-1]
    rows = [
        [name, *(f"{found.rss_bytes[name] / MIB:.1f}" for found in (first, middle, last))]
        for name in first.rss_bytes
    ]
    head = ["memory, MiB", *(f"at {found.at:.0f} s" for found in (first, middle, last))]
    return Table(head, rows)


def footprint_table(runs: Sequence[Run]) -> Table:
    """Bytes on disk, memory, and time to searchable."""
    rows = [
        ["bytes per message", *(number(sum(run.disk) / max(1, run.stored)) for run in runs)],
        ["… in tables", *(number(run.disk.tables / max(1, run.stored)) for run in runs)],
        ["… in indexes", *(number(run.disk.indexes / max(1, run.stored)) for run in runs)],
        ["WAL bytes per message", *(number(run.wal_bytes / max(1, run.stored)) for run in runs)],
    ]
    for name in ("p50", "p99", "max"):
        values = [getattr(run.latency, name) if run.latency else None for run in runs]
        shown = [f"{value * 1000:,.0f} ms" if value is not None else NONE for value in values]
        rows.append([f"sent to searchable, {name}", *shown])
    for name, at in (("start", 0), ("end", -1)):
        totals = [sum(run.samples[at].rss_bytes.values()) / MIB for run in runs]
        rows.append([f"memory at {name}, PostgreSQL included", *(f"{n:.0f} MiB" for n in totals)])
    return Table(["", *(run.target for run in runs)], rows)


def node_memory_table(runs: Sequence[Run]) -> Table:
    """The most memory at any look, by group of processes; the node's is without PostgreSQL."""
    groups = list(runs[0].samples[0].rss_bytes)
    rows = [[name, *(_most(run, [name]) for run in runs)] for name in groups if name != DATABASE]
    node = [_most(run, [name for name in groups if name != DATABASE]) for run in runs]
    return Table(
        ["memory, MiB at most", *(run.target for run in runs)],
        [*rows, ["the capture node", *node], [DATABASE, *(_most(run, [DATABASE]) for run in runs)]],
    )


def _most(run: Run, groups: Sequence[str]) -> str:
    """Memory of these groups together, when it was most."""
    return f"{max(sum(at.rss_bytes[name] for name in groups) for at in run.samples) / MIB:.1f}"
