# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/call/report/log`` and ``…/qos``: what else came with the Call-IDs of a call."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web
from psycopg.rows import DictRow

from collector.moment import to_text
from webapi.context import CONTEXT, Context
from webapi.homer import answer
from webapi.homer.field import PROFILES, Profile
from webapi.homer.search import asked, packets
from webapi.homer.search.asked import Asked
from webapi.sites.reading import Reading

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
    "r_factor": "RFACTOR",
    "ssrc": "SSRC",
    "direction": "SOURCE",
}
"""Our columns, and what HOMER's charts read of a report about RTP."""
_SENDER: Final = {"packets": "packets", "octets": "octets"}
_BLOCK: Final = {
    "source_ssrc": "source_ssrc",
    "highest_seq": "highest_seq_no",
    "jitter": "ia_jitter",
    "packets_lost": "packets_lost",
    "lsr": "lsr",
    "dlsr": "dlsr",
}
"""And of RTCP."""
_READ_OF_RTCP: Final = frozenset({"sender_information", "report_blocks"})
_READ_OF_RTP: Final = frozenset({"TOTAL_PK", "JITTER", "MOS", "DELTA", "PACKET_LOSS"})
_MAX_FRACTION: Final = 256
"""RFC 3550 §6.4.1: the fraction lost has 8 bits."""


async def show_logs(request: web.Request) -> web.Response:
    """The log lines."""
    wanted = await asked.read(request)
    context = request.app[CONTEXT]
    async with context.sites.reading() as reading:
        found = await _read(context, reading, wanted, _LOG)
    return await asyncio.to_thread(lambda: answer.json(_table(_LOG, found), 201))


async def show_quality(request: web.Request) -> web.Response:
    """The quality reports: RTCP, and all others."""
    wanted = await asked.read(request)
    context = request.app[CONTEXT]
    async with context.sites.reading() as reading:
        rtcp = await _read(context, reading, wanted, _RTCP)
        rtp = await _read(context, reading, wanted, _RTP)
    # Of thousands of reports; other requests are answered meanwhile.
    return await asyncio.to_thread(
        lambda: answer.json({"rtcp": _table(_RTCP, rtcp), "rtp": _table(_RTP, rtp)}, 201)
    )


async def _read(
    context: Context, reading: Reading, wanted: Asked, profile: Profile
) -> list[DictRow]:
    search = packets.of_calls(
        profile, wanted, wanted.call_ids(), context.settings.web.max_call_messages
    )
    if not wanted.is_here:
        return []
    found, _ = await packets.read(context, reading, search)
    return found


def _table(profile: Profile, found: list[DictRow]) -> dict[str, Any]:
    return {"total": len(found), "data": [_show(profile, row) for row in found]}


def _show(profile: Profile, row: DictRow) -> dict[str, Any]:
    shown = packets.show(profile, row)
    raw = packets.raw_text(row)
    if profile is not _LOG:
        raw = drawable(profile, row, raw)
    return shown | {"create_date": to_text(row["ts"]), "raw": raw, "profile": ""}


def drawable(profile: Profile, row: DictRow, raw: str) -> str:
    """The report as it came, if HOMER's charts can read it; else our figures in that form.

    One report that is no JSON would leave them without any.
    """
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    wanted = _READ_OF_RTCP if profile is _RTCP else _READ_OF_RTP
    if isinstance(found, dict) and wanted & found.keys():
        return raw
    return orjson.dumps(_rtcp(row) if profile is _RTCP else _rtp(row)).decode()


def _rtcp(row: DictRow) -> dict[str, Any]:
    block = _named(row, _BLOCK)
    if row["fraction_lost"] is not None:
        block["fraction_lost"] = round(row["fraction_lost"] * _MAX_FRACTION)
    return {
        **_named(row, {"packet_type": "type", "ssrc": "ssrc"}),
        "sender_information": _named(row, _SENDER),
        "report_blocks": [block] if block else [],
    }


def _rtp(row: DictRow) -> dict[str, Any]:
    found = _named(row, _AS_RTPAGENT)
    if row["packets"] is not None and row["packets_lost"] is not None:
        found["EXPECTED_PK"] = row["packets"] + row["packets_lost"]
    return {"TYPE": "REPORT", **found}


def _named(row: DictRow, names: dict[str, str]) -> dict[str, Any]:
    return {name: row[column] for column, name in names.items() if row[column] is not None}
