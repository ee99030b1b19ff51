# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run costs: CPU, memory, disk."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_TICK: Final = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU seconds and resident memory of a group of processes."""

    cpu_s: float
    rss_bytes: int


def usage(root_pid: int) -> Usage:
    """Of a process and all its descendants, including those that have ended and were waited for.

    Memory is the proportional share (Pss): pages shared by forked processes count once.
    """
    cpu = 0.0
    rss = 0
    for pid in tree(root_pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            cpu += sum(int(fields[n]) for n in (11, 12, 13, 14)) / _TICK
            rss += _pss(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Usage(cpu, rss)


def tree(root_pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root_pid]
    for pid in found:
        found += children.get(pid, [])
    return found


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // (1 << 20)
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "memory": f"{memory} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "rmem_max": Path("/proc/sys/net/core/rmem_max").read_text().strip(),
    }


def percentile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` (0 … 1) of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
