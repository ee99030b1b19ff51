# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector retention``: what is there, what goes and why, and how long it fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.doctor.finding import span
from collector.retention import history
from collector.retention.history import SPANS, Growth
from collector.retention.measure import Part
from collector.retention.plan import AGE, Limit
from collector.retention.watch import Look, Watch
from collector.settings import Settings
from collector.settings.quantity import approximate, readable
from collector.tables import KINDS

_NEVER: Final = 100 * 365 * 86_400.0


async def run(
    connection: AsyncConnection[TupleRow], settings: Settings, journal_id: UUID, *, dry: bool
) -> str:
    """Do one round, or only say what it would do; returns the report."""
    watch = Watch(settings, journal_id)
    growths: dict[str, Growth | None] = {}
    look = await watch.decide(connection)
    for name, time in SPANS.items():
        growths[name] = await history.growth(connection, journal_id, look.measured.at, time)
    text = report(look, settings, growths, dry=dry)
    if not dry:
        await watch.look(connection)
    return text


def report(
    look: Look, settings: Settings, growths: Mapping[str, Growth | None], *, dry: bool
) -> str:
    """Everything as aligned text."""
    said = []
    if not settings.retention.max_bytes:
        said.append("retention.max_bytes is off")
    if look.measured.unwatched and settings.retention.max_disk_percent:
        said.append(f"retention.max_disk_percent does not work: {look.measured.unwatched}")
    said += look.plan.findings
    drops = look.plan.drops
    if drops:
        freed = approximate(sum(item.part.octets for item in drops))
        verb = "would go" if dry else "go"
        decision = [f"{len(drops)} partitions {verb} now, {freed}:", ""]
        rows = [("partition", "from", "to", "messages", "bytes", "reason")]
        rows += [
            (
                part.partition.name,
                *(("", "") if part.is_default else _range(part)),
                f"{part.messages:,}",
                approximate(part.octets),
                reason if reason == AGE else f"retention.{reason}",
            )
            for part, reason in drops
        ]
        decision += _table(rows)
    else:
        decision = [f"nothing {'would go' if dry else 'goes'} now"]
    limits = _table(_limits(look.limits, growths)) if look.limits else []
    parts = (_table(_kinds(look.measured.parts, settings)), limits, said, decision)
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _kinds(parts: Sequence[Part], settings: Settings) -> list[tuple[str, ...]]:
    header = ("kind", "partitions", "messages", "bytes", "oldest", "kept for")
    rows: list[tuple[str, ...]] = [header]
    for kind in KINDS:
        filled = [part for part in parts if part.kind == kind and part.filled]
        kept = getattr(settings.retention, kind)
        oldest = min((part.partition.begin for part in filled if not part.is_default), default=None)
        rows.append(
            (
                kind,
                f"{len(filled)}",
                f"{sum(part.messages for part in filled):,}",
                approximate(sum(part.octets for part in parts if part.kind == kind)),
                f"{oldest:%Y-%m-%d %H:%M}" if oldest else "-",
                str(readable(kept, "s")) if kept else "ever",
            )
        )
    return rows


def _limits(limits: Iterable[Limit], growths: Mapping[str, Growth | None]) -> list[tuple[str, ...]]:
    header = ["limit", "in use", "of", "share"]
    header += [f"last {name}, reached" for name in growths]
    return [
        tuple(header),
        *(
            (
                f"retention.{limit.setting}",
                approximate(limit.used),
                approximate(limit.most),
                f"{limit.used / limit.most:.1%}",
                *(_forecast(limit, growth) for growth in growths.values()),
            )
            for limit in limits
        ),
    ]


def _forecast(limit: Limit, growth: Growth | None) -> str:
    if growth is None:
        return "not known yet"
    rate = growth.octets if limit.device is None else growth.disk
    sign = "+" if rate >= 0 else "-"
    text = f"{sign}{approximate(abs(rate) * 3600)}/h"
    if limit.used > limit.start:
        return f"{text}, reached"
    if rate <= 0 or (limit.most - limit.used) / rate > _NEVER:
        return f"{text}, never"
    return f"{text}, in {span((limit.most - limit.used) / rate)}"


def _range(part: Part) -> tuple[str, str]:
    begin, end = part.partition.begin, part.partition.end
    return f"{begin:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with their columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
