# SPDX-License-Identifier: GPL-2.0-or-later
"""The balance sheet of one capture node: what was received, and what became of it.

Three independent sources must agree: the counters of the receiving processes, the segments on
disk, and the counters that the database committed together with the rows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import TupleRow

from collector import __version__
from collector.causes import CAUSES, Cause, Outcome
from collector.journal import segment
from collector.journal.counters import (
    Counters,
    Field,
    NodeField,
    cause_counts,
    held,
    snapshot,
)
from collector.journal.segment import Segment
from collector.journal.writer import journal_bytes

_QUICK_ATTEMPTS: Final = 50
_ATTEMPTS: Final = 150
_PAUSE_S: Final = 0.001
_CAUSE_BY_LABEL: Final = {cause.label: cause for cause in CAUSES}

_PUBLISH_NODE: Final = """
    INSERT INTO capture_node (journal_id, name, version, heartbeat_at, received, waiting,
                              waiting_octets, oldest_waiting_at, last_packet_at, last_commit_at,
                              unaccounted, hook_faults, calls_refused, paused_at, plain_hops)
    VALUES (%s, %s, %s, now(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (journal_id) DO UPDATE
        SET name = excluded.name, version = excluded.version,
            heartbeat_at = excluded.heartbeat_at, received = excluded.received,
            waiting = excluded.waiting, waiting_octets = excluded.waiting_octets,
            oldest_waiting_at = excluded.oldest_waiting_at,
            last_packet_at = excluded.last_packet_at, last_commit_at = excluded.last_commit_at,
            unaccounted = excluded.unaccounted, hook_faults = excluded.hook_faults,
            calls_refused = excluded.calls_refused, paused_at = excluded.paused_at,
            plain_hops = excluded.plain_hops"""

_PUBLISH_CAUSE: Final = """
    INSERT INTO balance (journal_id, cause, messages) VALUES (%s, %s, %s)
    ON CONFLICT (journal_id, cause) DO UPDATE SET messages = excluded.messages
        WHERE balance.messages <> excluded.messages"""


@dataclass(frozen=True, slots=True)
class Balance:
    """One consistent picture; all numbers are packets since the journal was created."""

    received: int
    waiting: int
    processed: int
    """Journal records whose fate the database has committed."""
    causes: Mapping[Cause, int]
    oldest_waiting: Segment | None = None
    """The oldest segment that still has records to store."""

    def outcome(self, outcome: Outcome) -> int:
        """Sum of the causes with this outcome."""
        return sum(count for cause, count in self.causes.items() if cause.outcome is outcome)

    @property
    def unaccounted(self) -> int:
        """0, or packets have gone missing without a cause: a bug."""
        return self.received - self.waiting - sum(self.causes.values())


@dataclass(frozen=True, slots=True)
class Received:
    """What the receiving processes have counted, at one instant per process."""

    received: int
    journaled: Mapping[int, int]
    """Records by slot."""
    causes: Mapping[Cause, int]


def read_received(counters: Counters) -> Received:
    """Read the shared counters so that no packet is caught between two of them.

    A process counts a packet before and after it is journaled; a reading in between is repeated,
    with pauses when the process seems to wait for a processor at that very place.
    """
    received = 0
    journaled: dict[int, int] = {}
    causes = dict.fromkeys(CAUSES, 0)
    for number in counters.used_slots():
        slot = counters.slot(number)
        for attempt in range(_ATTEMPTS):
            if attempt >= _QUICK_ATTEMPTS:
                time.sleep(_PAUSE_S)
            numbers = snapshot(slot)
            journaled[number] = numbers[Field.JOURNALED]
            dropped = cause_counts(numbers)
            if numbers[Field.RECEIVED] == journaled[number] + sum(dropped.values()):
                break
        received += numbers[Field.RECEIVED]
        for cause, count in dropped.items():
            causes[cause] += count
    kernel = counters.node[NodeField.KERNEL_DROPS]
    causes[Cause.KERNEL] += kernel
    return Received(received + kernel, journaled, causes)


async def compute(
    connection: AsyncConnection[TupleRow], counters: Counters, journal: Path
) -> Balance:
    """The balance now; ``waiting`` is what the segments on disk hold beyond the progress.

    Order matters: files, then the database at one instant, then the counters. A segment that is
    finished or begun meanwhile is still seen, because progress outlives its segment and records
    are numbered through a slot's segments.
    """
    before = read_received(counters)
    segments = [
        found
        for directory in segment.slot_directories(journal)
        for found in segment.in_slot(directory)
    ]
    stored, progress = await _read_stored(connection, counters)
    received = read_received(counters)

    first = dict(before.journaled)
    for found in segments:
        first[found.slot] = min(first.get(found.slot, found.first_record), found.first_record)
    done: defaultdict[int, int] = defaultdict(int)
    for slot, first_record, records in progress.values():
        if first_record >= first.get(slot, 0):
            done[slot] += records
    waiting = sum(
        journaled - first.get(slot, 0) - done[slot]
        for slot, journaled in received.journaled.items()
    )

    causes = dict(received.causes)
    for cause, count in stored.items():
        causes[cause] += count
    oldest = _oldest_waiting(segments, progress) if waiting > 0 else None
    return Balance(received.received, waiting, sum(stored.values()), causes, oldest)


async def publish(
    connection: AsyncConnection[TupleRow], counters: Counters, journal: Path, node_name: str
) -> Balance:
    """Compute the balance and write it where the web API reads it."""
    balance = await compute(connection, counters, journal)
    counters.node[NodeField.PROCESSED] = balance.processed
    slots = [counters.slot(number) for number in counters.used_slots()]
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(
            _PUBLISH_NODE,
            (
                counters.journal_id,
                node_name,
                __version__,
                balance.received,
                balance.waiting,
                journal_bytes(journal),
                moment(balance.oldest_waiting.created_ns if balance.oldest_waiting else 0),
                moment(max((slot[Field.LAST_PACKET] for slot in slots), default=0)),
                moment(max((slot[Field.LAST_COMMIT] for slot in slots), default=0)),
                balance.unaccounted,
                sum(slot[Field.HOOK_FAULTS] for slot in slots),
                sum(slot[Field.CALLS_REFUSED] for slot in slots),
                moment(counters.node[NodeField.PAUSED_AT]),
                _plain_hops(counters, journal),
            ),
        )
        await cursor.executemany(
            _PUBLISH_CAUSE,
            [
                (counters.journal_id, cause.label, count)
                for cause, count in balance.causes.items()
                if count
            ],
        )
    return balance


def _plain_hops(counters: Counters, journal: Path) -> int:
    """Ingest processes that live and whose hop is not compiled."""
    found = 0
    for number in counters.used_slots():
        if counters.slot(number)[Field.PLAIN_HOP]:
            with held(journal / f"{number:02d}") as is_free:
                found += not is_free
    return found


_Progress = Mapping[object, tuple[int, int, int]]


async def _read_stored(
    connection: AsyncConnection[TupleRow], counters: Counters
) -> tuple[dict[Cause, int], _Progress]:
    """What the database committed, at one instant: records by cause, and progress by segment."""
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with connection.transaction():
            found = await connection.execute(
                "SELECT cause, sum(messages)::bigint FROM ingest_counter"
                " WHERE journal_id = %s GROUP BY cause",
                (counters.journal_id,),
            )
            stored = {_CAUSE_BY_LABEL[label]: count for label, count in await found.fetchall()}
            found = await connection.execute(
                "SELECT segment, slot, first_record, records FROM journal_progress"
                " WHERE journal_id = %s",
                (counters.journal_id,),
            )
            progress = {row[0]: (row[1], row[2], row[3]) for row in await found.fetchall()}
    finally:
        await connection.set_isolation_level(None)
    return stored, progress


def _oldest_waiting(segments: list[Segment], progress: _Progress) -> Segment | None:
    """The oldest segment with records beyond its progress; one that may grow counts as such."""
    waiting = []
    for found in segments:
        _, _, records = progress.get(found.uid, (0, 0, 0))
        if found.records is None or found.records > records:
            waiting.append(found)
    return min(waiting, key=lambda found: found.uid, default=None)


def moment(nanoseconds: int) -> datetime | None:
    """A time in ns since 1970; None for 0, which stands for never."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC) if nanoseconds else None
