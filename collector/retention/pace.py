# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast tables and file systems grow, from look to look."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from collector.retention.measure import Measured

WINDOW: Final = timedelta(minutes=1)
BASE: Final = timedelta(seconds=5)
"""Growth is measured over this time at least: files grow in leaps."""


class _Mark(NamedTuple):
    """What has grown since the first look, in bytes, and how fast at last, in bytes/s."""

    at: datetime
    octets: int
    disks: dict[int, int]
    octets_rate: float
    disk_rates: dict[int, float]


class Pace:
    """Growth over the last minute."""

    def __init__(self) -> None:
        self._looks: deque[Measured] = deque()
        self._marks: deque[_Mark] = deque()

    def learn(self, measured: Measured, *, dropped: bool) -> None:
        """Take in a look; ``dropped`` says whether something was dropped since the one before.

        The use of a file system after a drop says nothing of its growth.
        """
        if self._looks:
            self._marks.append(self._mark(self._looks[-1], measured, dropped=dropped))
        else:
            self._marks.append(_Mark(measured.at, 0, {}, 0.0, {}))
        self._looks.append(measured)
        while self._looks[0].at < measured.at - WINDOW:
            self._looks.popleft()
            self._marks.popleft()

    @property
    def octets(self) -> float:
        """Fastest growth of all tables, bytes/s."""
        return max((mark.octets_rate for mark in self._marks), default=0.0)

    def disk(self, device: int) -> float:
        """Fastest growth of what is in use on a file system, bytes/s."""
        return max((mark.disk_rates.get(device, 0.0) for mark in self._marks), default=0.0)

    def partitions(self) -> dict[str, float]:
        """Mean growth of each partition that is there since the oldest look, bytes/s."""
        if len(self._looks) < 2:
            return {}
        first, last = self._looks[0], self._looks[-1]
        before = {part.partition.name: part.octets for part in first.parts}
        seconds = _seconds(first.at, last.at)
        return {
            part.partition.name: max(0, part.octets - before[part.partition.name]) / seconds
            for part in last.parts
            if part.partition.name in before
        }

    def _mark(self, before: Measured, now: Measured, *, dropped: bool) -> _Mark:
        had = {part.partition.name: part.octets for part in before.parts}
        grown: dict[int, int] = {}
        for part in now.parts:
            more = max(0, part.octets - had.get(part.partition.name, 0))
            grown[part.device] = grown.get(part.device, 0) + more
        last = self._marks[-1]
        octets = last.octets + sum(grown.values())
        used = {item.device: item.used for item in before.disks}
        disks = {
            item.device: last.disks.get(item.device, 0)
            + max(
                grown.get(item.device, 0),
                0 if dropped else item.used - used.get(item.device, item.used),
            )
            for item in now.disks
        }
        base = next(
            (mark for mark in reversed(self._marks) if mark.at <= now.at - BASE), self._marks[0]
        )
        seconds = _seconds(base.at, now.at)
        rates = {
            device: (total - base.disks.get(device, 0)) / seconds for device, total in disks.items()
        }
        return _Mark(now.at, octets, disks, (octets - base.octets) / seconds, rates)


def _seconds(begin: datetime, end: datetime) -> float:
    return max(end - begin, BASE).total_seconds()
