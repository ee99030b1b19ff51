# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/call/report/log`` and ``…/qos``: what else came with the Call-IDs of a call."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import web
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from collector.moment import to_text
from webapi.context import CONTEXT, Context
from webapi.homer import answer
from webapi.homer.field import PROFILES, Profile
from webapi.homer.search import asked, packets
from webapi.homer.search.asked import Asked

_LOG: Final = PROFILES["100_default"]
_RTCP: Final = PROFILES["5_default"]
_RTP: Final = PROFILES["35_default"]
_AS_RTPAGENT: Final = {
    "packets": "TOTAL_PK",
    "packets_lost": "PACKET_LOSS",
    "jitter_ms": "JITTER",
    "max_jitter_ms": "MAX_JITTER",
    "delta_ms": "DELTA",
    "mos": "MOS",
    "r_factor": "R_FACTOR",
    "ssrc": "SSRC",
    "direction": "SOURCE",
}
"""Our columns, and what HOMER's pages read of a report."""


async def show_logs(request: web.Request) -> web.Response:
    """The log lines."""
    wanted = await asked.read(request)
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        found = await _read(context, connection, wanted, _LOG)
    return answer.json(_table(_LOG, found), 201)


async def show_quality(request: web.Request) -> web.Response:
    """The quality reports: RTCP, and all others."""
    wanted = await asked.read(request)
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        rtcp = await _read(context, connection, wanted, _RTCP)
        rtp = await _read(context, connection, wanted, _RTP)
    return answer.json({"rtcp": _table(_RTCP, rtcp), "rtp": _table(_RTP, rtp)}, 201)


async def _read(
    context: Context, connection: AsyncConnection[DictRow], wanted: Asked, profile: Profile
) -> list[DictRow]:
    search = packets.of_calls(
        profile, wanted, wanted.call_ids(), context.settings.web.max_call_messages
    )
    if not wanted.is_here:
        return []
    found, _ = await packets.read(context, connection, search)
    return found


def _table(profile: Profile, found: list[DictRow]) -> dict[str, Any]:
    return {"total": len(found), "data": [_show(profile, row) for row in found]}


def _show(profile: Profile, row: DictRow) -> dict[str, Any]:
    shown = packets.show(profile, row)
    raw = packets.raw_text(row)
    if profile is _RTP and not raw.lstrip().startswith("{"):
        raw = _figures(row)
    return shown | {"create_date": to_text(row["ts"]), "raw": raw, "profile": ""}


def _figures(row: DictRow) -> str:
    """A report that came as text, in the form that HOMER's pages can draw."""
    found = {name: row[column] for column, name in _AS_RTPAGENT.items() if row[column] is not None}
    return orjson.dumps({"TYPE": "REPORT", **found}).decode()
