# SPDX-License-Identifier: GPL-2.0-or-later
"""The counts of refused peers in the database, where web API and `doctor` read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.admission.refused import Refused
from collector.journal.record import format_address

_PUBLISH: Final = """
    INSERT INTO refused_peer AS have (journal_id, peer, cause, packets, last_seen)
    SELECT %(journal_id)s, * FROM unnest(%(peers)s::inet[], %(causes)s::text[],
                                         %(packets)s::bigint[], %(last_seen)s::timestamptz[])
    ON CONFLICT (journal_id, peer, cause) DO UPDATE
        SET packets = excluded.packets, last_seen = excluded.last_seen
        WHERE have.packets <> excluded.packets"""

_FORGET: Final = """
    DELETE FROM refused_peer
     WHERE journal_id = %(journal_id)s
       AND (peer, cause) NOT IN (SELECT * FROM unnest(%(peers)s::inet[], %(causes)s::text[]))"""


async def publish(
    connection: AsyncConnection[TupleRow], journal_id: UUID, found: Sequence[Refused]
) -> None:
    """Make the rows of this node say what ``found`` says. The node's own row must be there."""
    values = {
        "journal_id": journal_id,
        "peers": [format_address(one.peer) for one in found],
        "causes": [one.cause.label for one in found],
        "packets": [one.packets for one in found],
        "last_seen": [datetime.fromtimestamp(one.last_ns / 1e9, UTC) for one in found],
    }
    async with connection.transaction():
        await connection.execute(_PUBLISH, values)
        await connection.execute(_FORGET, values)
