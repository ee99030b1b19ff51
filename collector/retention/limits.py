# SPDX-License-Identifier: GPL-2.0-or-later
"""The limits in force, from settings and what was measured."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from collector.retention.measure import Measured
from collector.retention.pace import Pace
from collector.retention.plan import Limit
from collector.retention.relief import SETTLE
from collector.settings import Settings
from collector.settings.quantity import approximate
from collector.tables import PARTITIONED

_DROPPING_S: Final = 1.0
"""Dropping takes its time, too."""
_LEAST_RESERVE: Final = 0.01
_MOST_RESERVE: Final = 0.25
"""Shares of a limit."""


def limits(settings: Settings, measured: Measured, pace: Pace, pause_s: float) -> list[Limit]:
    """All limits; what grows until the look after the next one is kept free.

    ``pause_s`` is the time between two looks.
    """
    horizon_s = 2 * pause_s + _DROPPING_S
    found = []
    most = settings.retention.max_bytes
    if most:
        used = measured.octets
        growth = pace.octets * horizon_s
        reserve = int(min(max(growth, most * _LEAST_RESERVE), most * _MOST_RESERVE))
        shown = f"{approximate(used)} of {approximate(most)} in use"
        found.append(Limit("max_bytes", None, used, most, reserve, most, shown))
    share = settings.retention.max_disk_percent / 100
    for disk in measured.disks if share else ():
        most = int(disk.size * share)
        # What is above the limit is a reserve already; only what grows faster needs more.
        growth = pace.disk(disk.device) * (horizon_s + SETTLE.total_seconds())
        reserve = int(min(max(0, growth - (disk.size - most)), most * _MOST_RESERVE))
        last = (most + disk.size) // 2
        shown = f"{disk.path} is {disk.used / disk.size:.1%} full"
        found.append(Limit("max_disk_percent", disk.device, disk.used, most, reserve, last, shown))
    return found


def cutoffs(settings: Settings, now: datetime) -> dict[str, datetime]:
    """Rows of a kind that are older than this are too old; kinds that are kept for ever are not
    in it."""
    kept = {table.kind: getattr(settings.retention, table.kind) for table in PARTITIONED}
    return {kind: now - timedelta(seconds=age) for kind, age in kept.items() if age}
