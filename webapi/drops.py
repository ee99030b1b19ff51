# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/retention/drops``: every partition that went, when and why."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from psycopg import sql

from collector.retention.plan import AGE
from collector.tables import KINDS
from webapi import rows, schema
from webapi.access.audit import MAX_ID
from webapi.context import CONTEXT, json_response
from webapi.errors import bad_parameter
from webapi.listing import page
from webapi.parameters import integer, single
from webapi.schema import Parameters

COLUMNS: Final = (
    *("dropped_at", "kind", "partition", "range_begin", "range_end", "messages", "octets"),
    *("reason", "capture_node"),
)
REASONS: Final = (AGE, "max_bytes", "max_disk_percent")
"""By age, or the setting whose limit was reached."""
PARAMETERS: Final[Parameters] = {
    "kind": schema.one_of(KINDS),
    "reason": schema.one_of(REASONS),
    "before": schema.integer(1, MAX_ID),
    "limit": schema.up_to("max_rows"),
}
LIST: Final = sql.SQL(
    "SELECT id, {} FROM retention_log WHERE id < %(before)s"
    " AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
    " AND (%(reason)s::text IS NULL OR reason = %(reason)s) ORDER BY id DESC LIMIT %(limit)s"
).format(sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))


async def list_drops(request: web.Request) -> web.Response:
    """Partitions that retention has dropped, the last one first, a page at a time."""
    parameters = single(request.query, PARAMETERS)
    for name, known in (("kind", KINDS), ("reason", REASONS)):
        if parameters.get(name, known[0]) not in known:
            raise bad_parameter(name, f"must be one of {', '.join(known)}")
    _, limit = page(request, parameters)
    before = integer("before", parameters.get("before", str(MAX_ID)), 1, MAX_ID)
    context = request.app[CONTEXT]
    values: dict[str, Any] = {
        "kind": parameters.get("kind"),
        "reason": parameters.get("reason"),
        "before": before,
        "limit": limit + 1,
    }
    async with context.connection() as connection:
        found = await context.query(connection, LIST, values)
    shown = found[:limit]
    return json_response(
        {
            "drops": [rows.plain(row) for row in shown],
            "next": shown[-1]["id"] if len(found) > limit else None,
        }
    )
