# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/messages/{id}/decode``: one message as tshark reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web
from psycopg import sql
from psycopg.rows import DictRow

from webapi import rows, schema
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError, bad_parameter
from webapi.export.pcap import Pcap
from webapi.parameters import moment, single
from webapi.schema import Parameters
from webapi.sites.reading import SITE, not_found
from webapi.sites.sites import PARAMETER
from webapi.subject import MESSAGES
from webapi.tshark import Tshark

TSHARK: Final = web.AppKey("tshark", Tshark)
MESSAGE: Final = sql.SQL("SELECT {} FROM sip_message WHERE {} AND id = %s LIMIT 2")
ID_DIGITS: Final = 19
PARAMETERS: Final[Parameters] = {
    "call_id": schema.TEXT,
    "ts": schema.MOMENT,
    "node": schema.TEXT,
    SITE: PARAMETER,
}


async def show_message(request: web.Request) -> web.Response:
    """The layers of one message, IP to SDP. Raises ApiError 501 where there is no tshark."""
    found = await _find(request)
    file = Pcap()
    capture = file.begin() + file.rows([found])
    layers = await request.app[TSHARK].dissect(capture, decode_as(found))
    message = {name: value for name, value in found.items() if name != MESSAGES.payload}
    # A message beyond 64 KB is several segments; the last one has it whole.
    return json_response({"message": rows.to_json(message), "packets": orjson.Fragment(layers)})


def decode_as(message: Mapping[str, Any]) -> list[str]:
    """What tshark must know: that SIP is on these ports, whatever else they are known for."""
    if message["transport"] == "SCTP":
        return []  # tshark 4.0 has no SIP there, and takes no rule; it shows the bytes
    # As an export makes the packets: TLS and WebSocket are in the clear.
    layer = "udp" if message["transport"] == "UDP" else "tcp"
    ports = dict.fromkeys((message["src_port"], message["dst_port"]))
    return [f"{layer}.port=={port},sip" for port in ports if port]


async def _find(request: web.Request) -> DictRow:
    """The message with its bytes. Raises ApiError 400, 404, or 409 when it could be another."""
    number = request.match_info["id"]
    if not (number.isascii() and number.isdecimal() and len(number) <= ID_DIGITS):
        raise bad_parameter("id", "must be the id of a message")
    parameters = single(request.query, PARAMETERS)
    statement, values = find(int(number), parameters)
    async with request.app[CONTEXT].sites.reading(parameters.get(SITE)) as reading:
        found = await reading.query(statement, values, prepare=False)
    if not found:
        raise not_found(reading.missing, "there is no such message", "id")
    if len(found) > 1:
        message = "two capture nodes have a message with this id: say which by node and site"
        raise ApiError(409, "ambiguous", message, "node")
    return found[0]


def find(number: int, parameters: Mapping[str, str]) -> tuple[sql.Composed, list[Any]]:
    """The statement for one message and its values. Raises ApiError 400.

    The id has no index; the Call-ID has one, and the time.
    """
    parts: list[sql.Composable] = []
    values: list[Any] = []
    if parameters.get("call_id"):
        parts.append(sql.SQL("call_id = %s"))
        values.append(parameters["call_id"])
    if "ts" in parameters:
        parts.append(sql.SQL("ts = %s"))
        values.append(moment("ts", parameters["ts"], datetime.now(UTC)))
    if not parts:
        raise bad_parameter("call_id", "must be given, or ts: that of the message")
    if "node" in parameters:
        parts.append(sql.SQL("node = %s"))
        values.append(parameters["node"])
    columns = MESSAGES.select(payload=True)
    return MESSAGE.format(columns, sql.SQL(" AND ").join(parts)), [
        *values,
        min(number, (1 << 63) - 1),
    ]
