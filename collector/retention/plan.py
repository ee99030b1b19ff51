# SPDX-License-Identifier: GPL-2.0-or-later
"""Which partitions go, and why: a pure function of what was measured.

Age first: partitions whose rows are all too old. Then, while a limit is exceeded, the oldest
partition of the least precious kind. The last complete partition of each kind goes only when there
is nothing else. A partition that is being written to never goes, nor the newest one of a table that
has rows: what has just arrived is worth more than any limit. A partition that grows so large that
the limits could not be kept with it is ended early instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from collector.retention.measure import BEGINNING, Part, newest_filled
from collector.settings.quantity import approximate

AGE: Final = "age"
"""The reason of a drop by age; other reasons are names of settings."""
REASONS: Final = (AGE, "max_bytes", "max_disk_percent")
"""Why whole partitions go."""

RELEASE: Final = 0.01
"""Once it drops, it goes on until this share of a limit is free: not for every row anew."""
PIECE: Final = 1 / 16
"""A partition larger than this share of what the limits leave to us is ended early: dropping it
later costs no more than that share of the history."""
SMALLEST_PIECE: Final = 1 << 20
PATIENCE: Final = timedelta(seconds=30)
_READ_RATE: Final = 25 << 20
"""Ending early reads the partition once: bytes/s of a slow disk."""
MARGIN: Final = timedelta(seconds=30)
"""Between giving up and the first row that would be refused if nobody tidied up."""
_MINUTE: Final = timedelta(minutes=1)


class Limit(NamedTuple):
    """How much of something may be in use, in bytes."""

    setting: str
    device: int | None
    """The file system whose partitions count; None counts all."""
    used: int
    most: int
    reserve: int
    """Stay this much below ``most``: what may come before the next look."""
    last: int
    """When ``most`` cannot be kept because others use too much, this is kept instead."""
    shown: str = ""
    """What is in use, for people."""
    drops: int | None = None
    """How many partitions may go for it at once; None for any number."""

    @property
    def start(self) -> int:
        """Above this it is time to drop."""
        return self.most - self.reserve

    def covers(self, part: Part) -> bool:
        """Whether dropping the partition would help."""
        return self.device is None or self.device == part.device


class Drop(NamedTuple):
    """One partition that goes."""

    part: Part
    reason: str


class Plan(NamedTuple):
    """What to do, and what cannot be done."""

    drops: list[Drop]
    findings: list[str]


class Split(NamedTuple):
    """A partition that ends early."""

    part: Part
    at: datetime
    patience_s: float
    """How long reading its rows may take."""


def plan(
    parts: Sequence[Part],
    limits: Iterable[Limit],
    now: datetime,
    cutoffs: Mapping[str, datetime],
    precious: Sequence[str],
) -> Plan:
    """What goes now; ``cutoffs`` has the age limit of each kind that has one."""
    drops = [
        Drop(part, AGE)
        for part in parts
        if not part.is_default and part.kind in cutoffs and part.partition.end <= cutoffs[part.kind]
    ]
    findings: list[str] = []
    gone = {drop.part.partition.name for drop in drops}
    order = [part for part in _order(parts, now, precious) if part.partition.name not in gone]
    for limit in limits:
        used = limit.used - sum(drop.part.octets for drop in drops if limit.covers(drop.part))
        if used <= limit.start or limit.drops == 0:
            continue
        mine = [part for part in order if limit.covers(part) and part.partition.name not in gone]
        start = limit.start
        if used - sum(part.octets for part in mine) > start and limit.last > limit.most:
            findings.append(_unreachable(limit, parts))
            start = limit.last
        enough = start if used <= start else start - limit.most * RELEASE
        for part in mine[: limit.drops]:
            if used <= enough:
                break
            gone.add(part.partition.name)
            drops.append(Drop(part, limit.setting))
            used -= part.octets
        if used > start and limit.drops is None:
            findings.append(
                f"{limit.setting}: {limit.shown}, and nothing is left to drop but what is being "
                "written: the limit is too small for what comes in"
            )
    return Plan(drops, findings)


def splits(
    parts: Sequence[Part],
    limits: Iterable[Limit],
    now: datetime,
    growth: Mapping[str, float],
    accept_future: timedelta,
) -> list[Split]:
    """Partitions to be ended early; ``growth`` is that of each partition in bytes/s.

    The new end is so far ahead that no row behind it can come before it is in force: rows may be
    ``accept_future`` ahead of now.
    """
    limits = list(limits)
    found = []
    for part in parts:
        partition = part.partition
        if part.is_default or not part.filled or not partition.begin <= now < partition.end:
            continue
        ours = [
            sum(item.octets for item in parts if limit.covers(item)) + (limit.start - limit.used)
            for limit in limits
            if limit.covers(part)
        ]
        if not ours:
            continue
        piece = max(SMALLEST_PIECE, min(ours) * PIECE)
        patience = PATIENCE + part.octets / _READ_RATE * timedelta(seconds=1)
        at = _next_minute(now + accept_future + patience + MARGIN)
        rate = growth.get(partition.name, 0.0)
        at_end = part.octets + rate * (partition.end - now).total_seconds()
        at_lead = part.octets + rate * (at - now).total_seconds()
        if at_lead > piece and at_end > 2 * piece and at + _MINUTE <= partition.end:
            found.append(Split(part, at, patience.total_seconds()))
    return found


def _order(parts: Sequence[Part], now: datetime, precious: Sequence[str]) -> list[Part]:
    """What may go, the first to go first; the last complete partition of a kind after all others.

    Otherwise a kind would be left with next to nothing whenever a new partition begins. An empty
    one may have been made for rows that are on their way, unless it is older than all others.
    """
    rank = {kind: number for number, kind in enumerate(precious)}
    newest = newest_filled(parts)
    oldest: dict[str, datetime] = {}
    for part in parts:
        if part.filled and not part.is_default:
            begin = part.partition.begin
            oldest[part.table] = min(begin, oldest.get(part.table, begin))
    closed = [
        part
        for part in parts
        if part.partition.end <= now
        and part.partition.name not in newest
        and (part.filled or part.partition.begin < oldest.get(part.table, BEGINNING))
    ]
    complete = newest_filled(closed)
    return sorted(
        closed,
        key=lambda part: (
            part.partition.name in complete,
            rank.get(part.kind, -1),
            part.kind,
            part.partition.begin,
        ),
    )


def _unreachable(limit: Limit, parts: Sequence[Part]) -> str:
    ours = sum(part.octets for part in parts if limit.covers(part))
    if limit.used - ours < limit.start:
        return (
            f"{limit.setting}: {limit.shown}, most of it by what is being written now: dropping "
            "all else would not help enough"
        )
    return (
        f"{limit.setting}: {limit.shown}, only {approximate(ours)} of it messages: dropping them "
        "would not help enough. Find out what else fills the file system"
    )


def _next_minute(moment: datetime) -> datetime:
    """Names of partitions have minutes."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + _MINUTE
