# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/messages/{id}/decode`` with the real tshark."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import hep
from tests.fix_api import Get, store
from tests.fix_live import HOST, Serve
from tests.sip_text import packet, request

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
START = 1_790_000_000.0


async def _stored(connection: Connection, get: Get, text: bytes, **chunks: Any) -> dict[str, Any]:
    """The one message of the database as the API shows it."""
    await store(connection, [packet(text, at=START, **chunks)])
    answer = await get("/api/v1/messages", from_=str(START - 1), to=str(START + 1))
    (found,) = answer.json["messages"]
    assert isinstance(found, dict)
    return found


async def test_a_message_is_shown_as_tshark_reads_it(get: Get, connection: Connection) -> None:
    """By its id and what finds it: its Call-ID or its time."""
    row = await _stored(connection, get, request(call_id="a@x", number=7))
    path = f"/api/v1/messages/{row['id']}/decode"
    by_call_id = await get(path, call_id="a@x")
    by_time = await get(path, ts=row["ts"], node=row["node"])
    assert by_call_id.status == by_time.status == 200, by_call_id.json
    assert by_call_id.json == by_time.json
    assert by_call_id.json["message"] == row
    (layers,) = by_call_id.json["packets"]
    assert layers["sip"]["sip.Request-Line_tree"]["sip.Method"] == "INVITE"
    assert layers["sip"]["sip.msg_hdr_tree"]["sip.CSeq_tree"]["sip.CSeq.seq"] == "7"
    assert layers["udp"]["udp.srcport"] == "5060"


@pytest.mark.parametrize(
    ("protocol", "layer"),
    [
        (hep.PROTOCOL_UDP, "sip"),
        (hep.PROTOCOL_TCP, "sip"),
        (hep.PROTOCOL_TLS, "sip"),
        (hep.PROTOCOL_SCTP, "sctp"),
    ],
)
async def test_sip_is_found_on_any_port(
    get: Get, connection: Connection, protocol: int, layer: str
) -> None:
    """Also on one that is known for something else, here DNS and SSH; of SCTP tshark has no SIP."""
    row = await _stored(
        connection, get, request(call_id="a@x"), protocol=protocol, src_port=53, dst_port=22
    )
    answer = await get(f"/api/v1/messages/{row['id']}/decode", call_id="a@x")
    (layers,) = answer.json["packets"]
    assert layer in layers


@pytest.mark.parametrize(
    "text",
    [
        request(call_id="a@x", headers="X: " + "(" * 8000 + "\r\n"),
        request(call_id="a@x", headers="Via: SIP/2.0/UDP h;branch=b\r\n" * 1500),
        request(call_id="a@x", headers="X-\x00\x01\x7f: \x1b[2J</script>\r\n"),
        request(call_id="a@x", headers="Content-Type: application/sdp\r\n", body=b"a=b\r\n" * 9000),
        request(
            call_id="a@x",
            headers="Content-Type: multipart/mixed;boundary=b\r\n",
            body=b"--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" * 500,
        ),
        request(call_id="a@x", headers="Content-Type: text/xml\r\n", body=b"<a>" * 15_000),
    ],
    ids=["brackets", "vias", "controls", "sdp", "multipart", "xml"],
)
async def test_hostile_messages_get_an_answer(
    get: Get, connection: Connection, text: bytes
) -> None:
    """Decoded, or refused in the one shape; other requests are answered meanwhile."""
    row = await _stored(connection, get, text)
    answer = await get(f"/api/v1/messages/{row['id']}/decode", call_id="a@x")
    if answer.status == 200:
        assert "sip" in answer.json["packets"][-1]
    else:
        assert answer.json["error"]["code"] in ("decode_failed", "decode_timeout")


async def test_an_id_alone_or_one_of_nobody_is_refused(get: Get, connection: Connection) -> None:
    """The field that is wrong is named."""
    row = await _stored(connection, get, request(call_id="a@x"))
    for number, parameters, expected in (
        (row["id"], {}, (400, "call_id")),
        (row["id"], {"call_id": ""}, (400, "call_id")),
        (row["id"], {"call_id": "a@x", "name": "1"}, (400, "name")),
        (row["id"], {"ts": "yesterday"}, (400, "ts")),
        ("one", {"call_id": "a@x"}, (400, "id")),
        ("1" * 20, {"call_id": "a@x"}, (400, "id")),
        ("9" * 19, {"call_id": "a@x"}, (404, "id")),
        (row["id"], {"call_id": "b@x"}, (404, "id")),
        (row["id"], {"call_id": "a@x", "node": "another"}, (404, "id")),
    ):
        answer = await get(f"/api/v1/messages/{number}/decode", **parameters)
        assert (answer.status, answer.json["error"]["field"]) == expected, (number, parameters)


@pytest.mark.parametrize("program", ["", "/nonexistent/tshark", "no-such-program"])
async def test_without_tshark_the_answer_says_so(
    serve: Serve, get: Get, connection: Connection, program: str
) -> None:
    """501: this service cannot do it, and no other request will change that."""
    row = await _stored(connection, get, request(call_id="a@x"))
    service = await serve(WEB_TSHARK=program)
    path = f"/api/v1/messages/{row['id']}/decode?call_id=a@x"
    async with service.client.get(path, headers=HOST) as response:
        assert response.status == 501
        assert (await response.json())["error"]["code"] == "tshark_missing"
