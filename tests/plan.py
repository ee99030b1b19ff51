# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans of queries, as PostgreSQL explains them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.columns import Table
from collector.partitions import Partitions

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
"""The tests of plans look at a day of hourly partitions that ends now."""
_PARTITION: Final = re.compile(r"_\d{8}_\d{4}")


class Plan:
    """The nodes of one plan."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.nodes = list(_nodes(root))

    @property
    def partitions(self) -> set[str]:
        """Ends of the names of all tables that are read: ``1100`` of ``call_20261123_1100``."""
        names = {node["Relation Name"] for node in self.nodes if "Relation Name" in node}
        return {name.rpartition("_")[2] for name in names}

    @property
    def indexes(self) -> set[str]:
        """Names of all indexes, without what names their partitions.

        In the default partition, which is empty, any index is as good as another.
        """
        names = {node["Index Name"] for node in self.nodes if "Index Name" in node}
        return {_PARTITION.sub("", name) for name in names if "_default" not in name}

    @property
    def scans_whole(self) -> list[str]:
        """Tables that are read whole."""
        return [node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"]


async def explain(
    connection: AsyncConnection[TupleRow],
    statement: sql.SQL | sql.Composed,
    values: Sequence[Any] | Mapping[str, Any],
) -> Plan:
    """The plan of a statement; its parameters are bound on the server, as in the API."""
    found = await connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) ") + statement, values)
    row = await found.fetchone()
    assert row
    document = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return Plan(document[0]["Plan"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


async def make_day(connection: AsyncConnection[TupleRow], tables: Iterable[Table]) -> None:
    """Make the hourly partitions of the day."""
    for table in tables:
        while await Partitions(HOUR.total_seconds()).ensure(
            connection, table.name, NOW - 24 * HOUR, NOW
        ):
            pass
