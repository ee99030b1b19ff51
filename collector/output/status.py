# SPDX-License-Identifier: GPL-2.0-or-later
"""How every output does, where the web API reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.balance import moment
from collector.journal.counters import Counters
from collector.output.standing import read

_PUBLISH: Final = """
    INSERT INTO output_state (journal_id, output, target, running, connected, waiting,
                              waiting_octets, last_success_at, last_failure_at, last_error)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (journal_id, output) DO UPDATE
        SET target = excluded.target, running = excluded.running,
            connected = excluded.connected, waiting = excluded.waiting,
            waiting_octets = excluded.waiting_octets,
            last_success_at = excluded.last_success_at,
            last_failure_at = excluded.last_failure_at, last_error = excluded.last_error"""

_PUBLISH_FATE: Final = """
    INSERT INTO output_balance (journal_id, output, fate, records) VALUES (%s, %s, %s, %s)
    ON CONFLICT (journal_id, output, fate) DO UPDATE SET records = excluded.records
        WHERE output_balance.records <> excluded.records"""


class Publisher:
    """Writes the status of the outputs where the web API reads it."""

    def __init__(self, journal: Path, counters: Counters) -> None:
        self._journal = journal
        self._counters = counters
        self._published = True
        """Whether there may be rows of outputs that are gone."""

    async def publish(self, connection: AsyncConnection[TupleRow]) -> None:
        """Publish all outputs and forget those that are gone; nothing to do where there are none.

        The node's own row must be there.
        """
        found = read(self._journal, self._counters)
        if not found and not self._published:
            return
        journal_id = self._counters.journal_id
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.execute(
                "DELETE FROM output_state WHERE journal_id = %s AND output <> ALL(%s)",
                (journal_id, [item.name for item in found]),
            )
            await cursor.executemany(
                _PUBLISH,
                [
                    (
                        journal_id,
                        item.name,
                        item.state.target,
                        item.running,
                        item.running and item.state.connected,
                        item.waiting,
                        item.octets,
                        moment(item.state.last_success),
                        moment(item.state.last_failure),
                        item.state.last_error,
                    )
                    for item in found
                ],
            )
            await cursor.executemany(
                _PUBLISH_FATE,
                [
                    (journal_id, item.name, fate.value, count)
                    for item in found
                    for fate, count in item.state.fates.items()
                ],
            )
        self._published = bool(found)
