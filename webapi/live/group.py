# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients with the same filters: asked for once, and bounded together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.rows import DictRow

from collector.moment import to_us
from webapi.filters import Condition, conditions
from webapi.live.event import block
from webapi.live.position import EventId
from webapi.live.statement import Asked
from webapi.names.resolver import Resolver
from webapi.parameters import flag
from webapi.subject import CALLS, Subject

MAX_SENT: Final = 1000
"""Calls of a group that are watched beyond its filters, the last ones sent."""
MAX_BATCH: Final = 2 << 20
"""Bytes of blocks that one reading gives; half of what may wait for a client."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a client asks for. Equal parameters make equal filters."""

    subject: Subject
    parameters: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...] = field(compare=False)
    payload: bool = field(compare=False)

    @classmethod
    def parse(cls, subject: Subject, parameters: Mapping[str, str]) -> Filters:
        """Raises ApiError that names the bad parameter."""
        return cls(
            subject,
            tuple(sorted(parameters.items())),
            tuple(conditions(subject.filters, parameters)),
            flag(subject.payload, parameters.get(subject.payload, "false")),
        )


class Group:
    """What is remembered for the clients of equal filters."""

    def __init__(self, filters: Filters, rows_per_s: float, allowance: float) -> None:
        """``allowance`` is how many rows may come at once now."""
        self.filters = filters
        self._rows_per_s = rows_per_s
        self._allowance = allowance
        self._sent: dict[str, None] = {}

    def asked(self, elapsed_s: float) -> Asked:
        """What to ask for, ``elapsed_s`` after the last time."""
        more = elapsed_s * self._rows_per_s
        if more:
            self._allowance = min(self._rows_per_s, self._allowance + more)
        filters = self.filters
        return Asked(
            filters.conditions, filters.payload, max(1, int(self._allowance)), tuple(self._sent)
        )

    def blocks(
        self,
        rows: list[DictRow],
        found: int,
        begun: EventId,
        ended: EventId,
        resolver: Resolver,
    ) -> list[bytes]:
        """The events of the rows that were read from ``begun`` to ``ended``, the last one with the
        id of the end. What was found and is not shown is said as ``skipped``."""
        self._allowance -= len(rows)
        subject = self.filters.subject
        blocks: list[bytes] = []
        size = 0
        for number, row in enumerate(rows):
            last = number + 1 == found
            key = tuple(
                to_us(row[name]) if name == subject.time else row[name]
                for name in (subject.time, *subject.order)
            )
            id_ = ended if last else begun._replace(key=key)
            made = block(subject.name[:-1], subject.show(row) | resolver.names(row), id_.encode())
            size += len(made)
            if size > MAX_BATCH:
                break
            blocks.append(made)
        if subject is CALLS:
            # A filter may say no to a call that has changed, yet its clients show it; and time may
            # run out for it, which no message tells.
            self._remember(rows[: len(blocks)])
        if found > len(blocks):
            skipped = {subject.name: found - len(blocks)}
            blocks.append(block("skipped", skipped, ended.encode()))
        return blocks

    def _remember(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self._sent.pop(row["call_id"], None)
            if row["ended_at"] is None and row["timed_out_at"] is None:
                self._sent[row["call_id"]] = None
        while len(self._sent) > MAX_SENT:
            del self._sent[next(iter(self._sent))]
