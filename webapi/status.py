# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/status``: the balance sheet of every capture node, who sends, who is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from psycopg import sql

from collector.causes import CAUSES, Outcome
from collector.moment import to_text
from collector.output.fate import Fate
from webapi import retention, rows
from webapi.context import CONTEXT, Context, json_response
from webapi.parameters import single

ALIVE_FOR: Final = timedelta(seconds=10)
"""A node publishes every second; after this long without it is shown as not alive."""

_NODES: Final = sql.SQL("SELECT * FROM capture_node ORDER BY name, journal_id")
_BALANCE: Final = sql.SQL("SELECT journal_id, cause, messages FROM balance")
_OUTPUTS: Final = sql.SQL(
    """
    SELECT output_state.*,
           (SELECT coalesce(jsonb_object_agg(fate, records), '{}')
              FROM output_balance
             WHERE (output_balance.journal_id, output_balance.output)
                 = (output_state.journal_id, output_state.output)) AS fates
      FROM output_state
     ORDER BY output
    """
)
_SENDERS: Final = sql.SQL(
    """
    SELECT capture_node.name AS capture_node, host(peer) AS peer, node, hep_version,
           min(first_seen) AS first_seen, max(last_seen) AS last_seen,
           sum(packets)::bigint AS packets, sum(rejected)::bigint AS rejected,
           (array_agg(clock_offset_us ORDER BY last_seen DESC))[1] AS clock_offset_us
      FROM sender
      JOIN capture_node USING (journal_id)
     GROUP BY capture_node.name, peer, node, hep_version
     ORDER BY max(last_seen) DESC
     LIMIT 1000
    """
)
_REFUSED: Final = sql.SQL(
    """
    SELECT capture_node.name AS capture_node, host(peer) AS peer, cause, packets,
           refused_peer.last_seen
      FROM refused_peer
      JOIN capture_node USING (journal_id)
     ORDER BY refused_peer.last_seen DESC
     LIMIT 1000
    """
)


async def show_status(request: web.Request) -> web.Response:
    """The state of all capture nodes that write to this database."""
    single(request.query, ())
    context = request.app[CONTEXT]
    now = datetime.now(UTC)
    async with context.connection() as connection:
        senders = await context.query(connection, _SENDERS)
        refused = await context.query(connection, _REFUSED)
    nodes = await read_nodes(context)
    return json_response(
        {
            "time": to_text(now),
            "sign_in": context.settings.web.sign_in,
            "causes": {
                cause.label: {"outcome": cause.outcome, "help": cause.help} for cause in CAUSES
            },
            "fates": {fate.value: {"outcome": fate.outcome, "help": fate.help} for fate in Fate},
            "nodes": [_node(node, now) for node in nodes],
            "senders": [rows.plain(sender) for sender in senders],
            "retention": await retention.read(context)
            | {"kinds": await retention.read_kinds(context)},
            "refused": [rows.plain(peer) for peer in refused],
            "sites": [state._asdict() for state in await context.sites.states()],
        }
    )


async def read_nodes(context: Context) -> list[dict[str, Any]]:
    """The published rows of all capture nodes, each with its ``causes`` and ``outputs``."""
    async with context.connection() as connection:
        nodes = await context.query(connection, _NODES)
        balance = await context.query(connection, _BALANCE)
        outputs = await context.query(connection, _OUTPUTS)
    for node in nodes:
        node["outputs"] = [row for row in outputs if row["journal_id"] == node["journal_id"]]
        node["causes"] = {
            row["cause"]: row["messages"]
            for row in balance
            if row["journal_id"] == node["journal_id"]
        }
    return nodes


def outcomes(causes: dict[str, int]) -> dict[str, int]:
    """The columns of the balance sheet: causes summed by outcome."""
    sums = dict.fromkeys((outcome.value for outcome in Outcome), 0)
    for cause in CAUSES:
        sums[cause.outcome.value] += causes.get(cause.label, 0)
    return sums


def _node(node: dict[str, Any], now: datetime) -> dict[str, Any]:
    causes = node.pop("causes")
    outputs = node.pop("outputs")
    return {
        **rows.plain(node),
        "alive": now - node["heartbeat_at"] < ALIVE_FOR,
        "outcomes": outcomes(causes),
        "causes": {cause.label: causes.get(cause.label, 0) for cause in CAUSES},
        "outputs": [_output(output) for output in outputs],
    }


def _output(output: dict[str, Any]) -> dict[str, Any]:
    fates = output["fates"]
    shown = {name: value for name, value in output.items() if name != "journal_id"}
    return {**rows.plain(shown), "fates": {fate.value: fates.get(fate.value, 0) for fate in Fate}}
