# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast tables and file systems grow, from look to look."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Final, NamedTuple

from collector.retention.measure import Measured

WINDOW: Final = timedelta(minutes=1)


class _Step(NamedTuple):
    """From one look to the next, bytes/s."""

    octets: float
    disks: dict[int, float]


class Pace:
    """Growth over the last minute."""

    def __init__(self) -> None:
        self._looks: deque[Measured] = deque()
        self._steps: deque[_Step] = deque()

    def learn(self, measured: Measured, *, dropped: bool) -> None:
        """Take in a look; ``dropped`` says whether something was dropped since the one before.

        The use of a file system after a drop says nothing of its growth.
        """
        if self._looks:
            self._steps.append(_step(self._looks[-1], measured, dropped=dropped))
        self._looks.append(measured)
        while self._looks[0].at < measured.at - WINDOW:
            self._looks.popleft()
            self._steps.popleft()

    @property
    def octets(self) -> float:
        """Fastest growth of all tables, bytes/s."""
        return max((step.octets for step in self._steps), default=0.0)

    def disk(self, device: int) -> float:
        """Fastest growth of what is in use on a file system, bytes/s."""
        return max((step.disks.get(device, 0.0) for step in self._steps), default=0.0)

    def partitions(self) -> dict[str, float]:
        """Mean growth of each partition that is there since the oldest look, bytes/s."""
        if len(self._looks) < 2:
            return {}
        first, last = self._looks[0], self._looks[-1]
        before = {part.partition.name: part.octets for part in first.parts}
        seconds = max((last.at - first.at).total_seconds(), 0.001)
        return {
            part.partition.name: max(0, part.octets - before[part.partition.name]) / seconds
            for part in last.parts
            if part.partition.name in before
        }


def _step(before: Measured, now: Measured, *, dropped: bool) -> _Step:
    seconds = max((now.at - before.at).total_seconds(), 0.001)
    had = {part.partition.name: part.octets for part in before.parts}
    grown: dict[int, int] = {}
    for part in now.parts:
        more = max(0, part.octets - had.get(part.partition.name, 0))
        grown[part.device] = grown.get(part.device, 0) + more
    used = {item.device: item.used for item in before.disks}
    disks = {
        item.device: max(
            grown.get(item.device, 0),
            0 if dropped else item.used - used.get(item.device, item.used),
        )
        / seconds
        for item in now.disks
    }
    return _Step(sum(grown.values()) / seconds, disks)
