# SPDX-License-Identifier: GPL-2.0-or-later
"""The limits in force, from settings and what was measured."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from collector.columns import TABLES
from collector.retention.measure import Measured
from collector.retention.pace import Pace
from collector.retention.plan import Limit
from collector.settings import Settings
from collector.settings.quantity import approximate

_LEAST_RESERVE: Final = 0.01
_MOST_RESERVE: Final = 0.25
"""Shares of a limit."""


def limits(settings: Settings, measured: Measured, pace: Pace, horizon_s: float) -> list[Limit]:
    """All limits; what grows within ``horizon_s`` is kept free below each."""
    found = []
    most = settings.retention.max_bytes
    if most:
        used = measured.octets
        reserve = _reserve(pace.octets * horizon_s, most)
        shown = f"{approximate(used)} of {approximate(most)} in use"
        found.append(Limit("max_bytes", None, used, most, reserve, most, shown))
    share = settings.retention.max_disk_percent / 100
    for disk in measured.disks if share else ():
        most = int(disk.size * share)
        reserve = _reserve(pace.disk(disk.device) * horizon_s, most)
        last = (most + disk.size) // 2
        shown = f"{disk.path} is {disk.used / disk.size:.1%} full"
        found.append(Limit("max_disk_percent", disk.device, disk.used, most, reserve, last, shown))
    return found


def cutoffs(settings: Settings, now: datetime) -> dict[str, datetime]:
    """Rows of a kind that are older than this are too old; kinds that are kept for ever are not
    in it."""
    kept = {table.kind: getattr(settings.retention, table.kind) for table in TABLES}
    return {kind: now - timedelta(seconds=age) for kind, age in kept.items() if age}


def _reserve(growth: float, most: int) -> int:
    return int(min(max(growth, most * _LEAST_RESERVE), most * _MOST_RESERVE))
