# SPDX-License-Identifier: GPL-2.0-or-later
"""What was lost while a call ran."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from collector import capture_loss
from collector.causes import Cause
from collector.journal.counters import Counters, Field, NodeField, Role, add_cause
from collector.quality.verdict import CaptureLoss

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """The counters of the test's journal."""
    opened = Counters(journal)
    opened.slot(0)[Field.ROLE] = Role.UDP
    yield opened
    opened.close()


def _receive(counters: Counters, stored: int, kernel: int = 0, full: int = 0) -> None:
    slot = counters.slot(0)
    for _ in range(full):
        add_cause(slot, Cause.JOURNAL_FULL)
    slot[Field.JOURNALED] += stored
    slot[Field.RECEIVED] += stored + full
    counters.node[NodeField.KERNEL_DROPS] += kernel


async def _lost(
    connection: AsyncConnection[TupleRow], begin: datetime, end: datetime
) -> CaptureLoss | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(capture_loss.READ, capture_loss.span(begin, end))
        return CaptureLoss.of(await cursor.fetchone())


async def test_loss_of_the_minutes_of_a_call(
    connection: AsyncConnection[TupleRow], counters: Counters
) -> None:
    """By the kernel and for want of room; what is refused on purpose is not lost."""
    _receive(counters, 1000, kernel=50)
    await capture_loss.note(connection, counters, NOON - 2 * MINUTE)
    _receive(counters, 100)
    await capture_loss.note(connection, counters, NOON - MINUTE / 2)
    _receive(counters, 90, kernel=7, full=3)
    add_cause(counters.slot(0), Cause.NOT_HEP)
    counters.slot(0)[Field.RECEIVED] += 1
    await capture_loss.note(connection, counters, NOON + MINUTE / 4)
    await capture_loss.note(connection, counters, NOON + MINUTE / 2)
    _receive(counters, 200)
    await capture_loss.note(connection, counters, NOON + 5 * MINUTE)

    assert await _lost(connection, NOON + MINUTE / 4, NOON + MINUTE / 3) == (101, 10)
    assert await _lost(connection, NOON + MINUTE / 4, NOON + 6 * MINUTE) == (301, 10)
    assert await _lost(connection, NOON + 5 * MINUTE, NOON + 6 * MINUTE) == (0, 0)
    assert await _lost(connection, NOON - MINUTE, NOON - MINUTE) == (100, 0)
    found = await connection.execute("SELECT count(*) FROM capture_loss")
    assert await found.fetchone() == (4,)


async def test_two_nodes(connection: AsyncConnection[TupleRow], counters: Counters) -> None:
    """Their losses are summed; each counts for itself."""
    for moment, received, lost in ((NOON - MINUTE, 5000, 400), (NOON, 5100, 420)):
        await connection.execute(
            "INSERT INTO capture_loss VALUES (%s, gen_random_uuid(), 0, 0), (%s, %s, %s, %s)",
            (moment, moment, "0ec0ffee-0000-4000-8000-000000000000", received, lost),
        )
    await capture_loss.note(connection, counters, NOON - MINUTE)
    _receive(counters, 10, full=1)
    await capture_loss.note(connection, counters, NOON)
    assert await _lost(connection, NOON, NOON + MINUTE) == (111, 21)


async def test_a_time_without_readings(connection: AsyncConnection[TupleRow]) -> None:
    """Nothing is known, which is not the same as no loss."""
    assert await _lost(connection, NOON, NOON + MINUTE) is None


async def test_losses_of_each_step_and_of_one_node(
    connection: AsyncConnection[TupleRow],
) -> None:
    """The first reading says nothing; what came without one counts for the next."""
    for number, (minute, received, lost) in enumerate(
        ((-5, 1000, 50), (0, 1100, 50), (1, 1200, 53), (2, 1300, 53), (9, 1400, 60))
    ):
        for other in (0, 1) if number < 3 else (0,):
            await connection.execute(
                "INSERT INTO capture_loss VALUES (%s, %s, %s, %s)",
                (NOON + minute * MINUTE, UUID(int=1 + other), received * (1 + other), lost),
            )
    for other in (0, 1):
        await connection.execute(
            "INSERT INTO capture_node (journal_id, name, version, heartbeat_at, received, waiting,"
            " waiting_octets, unaccounted) VALUES (%s, %s, '', now(), 0, 0, 0, 0)",
            (UUID(int=1 + other), f"capture{other}"),
        )

    async def losses(node: str | None, begin: datetime = NOON) -> list[tuple[int, int, int]]:
        values = {"begin": begin, "end": NOON + 10 * MINUTE, "step": 2 * MINUTE}
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                capture_loss.SERIES, {**values, "capture_node": node, "limit": 100}
            )
            return [
                (int((row["time"] - NOON) / MINUTE), row["received"], row["lost"])
                for row in await cursor.fetchall()
            ]

    assert await losses("capture0") == [(0, 200, 3), (2, 100, 0), (8, 100, 7)]
    assert await losses("capture1") == [(0, 400, 3)]
    assert await losses(None) == [(0, 600, 6), (2, 100, 0), (8, 100, 7)]
    assert await losses("nobody") == []
    assert await losses("capture0", NOON - 6 * MINUTE) == await losses("capture0")
