# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/search/call/message`` and ``…/decode/message``: packets by their ids."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from psycopg import sql

from webapi.context import CONTEXT
from webapi.decode import TSHARK, decode_as
from webapi.errors import ApiError
from webapi.export.pcap import Pcap
from webapi.filters import Condition
from webapi.homer import answer
from webapi.homer.field import ID_MASK
from webapi.homer.search import asked, packets
from webapi.homer.search.asked import MAX_IDS, Asked
from webapi.homer.search.packets import Packet

_OF_IDS: Final = sql.SQL("id & %s = ANY(%s)")
_ISUP: Final = re.compile(
    rb"content-type:[ \t]*application/isup[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n", re.IGNORECASE
)
_BOUNDARY: Final = b"\r\n--"
_CALL: Final = "1_call"


async def show_message(request: web.Request) -> web.Response:
    """The packets with these ids, with their text."""
    wanted = await asked.read(request)
    found = [_show(packet) for packet in await _find(request, wanted)]
    body = {"total": len(found), "keys": packets.keys_of(found), "data": found}
    return answer.json(body, 201)


async def decode_message(request: web.Request) -> web.Response:
    """What tshark makes of each; an empty object where there is no tshark."""
    wanted = await asked.read(request)
    found = await _find(request, wanted)
    data = [await _decoded(request, row) if profile.is_sip else {} for profile, row in found]
    return answer.json({"total": len(data), "data": data}, 201)


async def _find(request: web.Request, wanted: Asked) -> list[Packet]:
    conditions: list[Condition] = [
        (_OF_IDS, [ID_MASK, [number & ID_MASK for number in wanted.ids()]])
    ]
    limit = min(MAX_IDS, max(1, wanted.limit or MAX_IDS))
    context = request.app[CONTEXT]
    found: list[Packet] = []
    if wanted.is_here:
        async with context.sites.reading() as reading:
            for profile in wanted.profiles:
                search = packets.newest(profile, wanted, conditions, limit, payload=True)
                rows, complete = await packets.read(context, reading, search)
                if not complete:
                    message = "the query took longer than web.query_timeout; narrow the time range"
                    raise ApiError(503, "query_timeout", message)
                found += [Packet(profile, row) for row in rows]
    return found


def _show(packet: Packet) -> dict[str, Any]:
    profile, row = packet
    found = packets.show(profile, row)
    del found["node"], found["dbnode"]
    raw = with_isup_as_hex(row["raw"]) if profile.key == _CALL else row["raw"]
    return found | {
        "raw": raw.decode(errors="replace"),
        "create_ts": packets.create_date(row),
        "micro_ts": packets.micro_ts(row),
    }


def with_isup_as_hex(message: bytes) -> bytes:
    """The message with the bytes of an ISUP part as text: ``01 00 60``."""
    head = _ISUP.search(message)
    if head is None:
        return message
    end = message.find(_BOUNDARY, head.end())
    end = len(message) if end < 0 else end
    octets = message[head.end() : end].hex(" ").upper().encode()
    return message[: head.end()] + octets + message[end:]


async def _decoded(request: web.Request, row: Mapping[str, Any]) -> dict[str, Any]:
    """Packets of tshark as its JSON has them. Raises ApiError when it fails."""
    message = {
        **{name: row[name] for name in ("ts", "src_ip", "dst_ip", "raw", "transport")},
        "src_port": row["srcPort"],
        "dst_port": row["dstPort"],
    }
    file = Pcap()
    capture = file.begin() + file.rows([message])
    try:
        layers = await request.app[TSHARK].dissect(capture, decode_as(message))
    except ApiError as error:
        if error.code == "tshark_missing":
            return {}
        raise
    found = await asyncio.to_thread(orjson.loads, layers)
    # Of several segments the last one has the message whole, and the first is what is shown.
    return {"decoded": [{"_source": {"layers": packet}} for packet in reversed(found)]}
