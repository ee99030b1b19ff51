# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run costs, read from /proc: processor time, memory, socket queues and drops."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from collector import kernel
from collector.kernel import UdpSocket

_TICK: Final = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Processor seconds since their start and resident memory of some processes."""

    cpu_s: float
    rss_bytes: int


def usage(pids: Iterable[int]) -> Usage:
    """Of these processes, and of the children that they have waited for.

    Memory is the proportional share (Pss): pages shared by forked processes count once.
    """
    cpu = 0.0
    rss = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            cpu += sum(int(fields[n]) for n in (11, 12, 13, 14)) / _TICK
            rss += _pss(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Usage(cpu, rss)


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds of these processes since their start, to the nanosecond."""
    spent = 0
    for pid in pids:
        try:
            spent += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return spent / 1e9


def descriptors(pids: Iterable[int]) -> int:
    """Files, sockets and the like that these processes have open."""
    count = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            count += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return count


def octets(directory: Path) -> int:
    """Bytes on the disk of all files below, some of which may go meanwhile; linked ones once."""
    sizes: dict[int, int] = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                found = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (thousands of files)
                sizes[found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


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


class Machine(NamedTuple):
    """Processor seconds since the start of the machine, over all cores."""

    busy_s: float
    """In any process or interrupt, or taken by the hypervisor."""
    total_s: float


def machine() -> Machine:
    """How busy the whole machine was."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, idle, waiting, *others = (int(n) / _TICK for n in line.split()[1:9])
    busy = user + nice + system + sum(others)
    return Machine(busy, busy + idle + waiting)


def udp_socket(port: int) -> UdpSocket:
    """The socket that listens on a UDP port. Raises StopIteration when there is none."""
    table = kernel.parse_udp_table(kernel.TABLES[0].read_text())
    return next(item for item in table if item.port == port)


def socket_buffer(port: int) -> int:
    """Bytes that the kernel granted as receive buffer of a UDP port; 0 when `ss` does not say."""
    try:
        command = ["ss", "-Hulnm", f"sport = :{port}"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    return int(shown.partition("rb")[2].partition(",")[0] or 0)


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
