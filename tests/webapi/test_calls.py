# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}`` and its exports, over a real database."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from yarl import URL

from tests.fix_api import Get, load_settings, store
from tests.fix_database import Database
from tests.sip_text import packet, request
from tests.tshark import dissect
from webapi.app import create_app

START = 1_790_000_000.0
HOST = {"Host": "127.0.0.1:9080"}

Client = TestClient[Request, Application]


async def test_messages_come_in_order_of_capture_then_arrival(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Whatever the order in which they arrived, and across the three tables."""
    order = [(3, 0.5), (1, 0.1), (2, 0.1), (4, 0.9)]
    await store(
        connection,
        [packet(request(call_id="x@y", number=number), at=START + at) for number, at in order]
        + [packet(request("OPTIONS", "x@y", number=5), at=START + 2)],
    )
    answer = await get("/api/v1/calls/x@y")
    assert answer.status == 200
    assert [message["cseq"] for message in answer.json["messages"]] == [1, 2, 3, 4, 5]
    assert answer.json["call_id"] == "x@y"
    assert answer.json["from"] == "2026-09-21T14:13:20.100000Z"
    assert answer.json["to"] == "2026-09-21T14:13:22.000000Z"
    assert answer.json["complete"] is True
    assert answer.json["messages"][0]["raw"].startswith("INVITE sip:bob@example.com SIP/2.0\r\n")


@pytest.mark.parametrize(
    "call_id", ["a/b@c", "a b", "100%25", "a?b#c", "ü@ö", "../../etc/passwd", "<script>", "a;b=c"]
)
async def test_any_call_id_can_be_asked_for(
    client: Client, connection: AsyncConnection[TupleRow], call_id: str
) -> None:
    """Slashes, blanks, percent signs: the path is decoded once."""
    await store(connection, [packet(request(call_id=call_id), at=START)])
    path = f"/api/v1/calls/{quote(call_id, safe='')}"
    for suffix in ("", "/export.pcap", "/export.txt"):
        answer = await client.get(URL(path + suffix, encoded=True), headers=HOST)
        assert answer.status == 200, await answer.text()
        if suffix:
            disposition = answer.headers["Content-Disposition"]
            assert disposition.startswith('attachment; filename="')
            assert disposition.isascii()
            assert not set('/\\<>;%"') & set(disposition.split('"')[1])
        else:
            assert (await answer.json())["call_id"] == call_id


async def test_an_unknown_call_is_404(get: Get) -> None:
    """With the shape of every error."""
    answer = await get("/api/v1/calls/nobody@nowhere")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert answer.json["error"]["field"] == "call_id"


async def test_a_call_of_too_many_messages_says_so(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """The limit is a setting, and the answer tells that it was reached."""
    await store(
        connection,
        [packet(request(call_id="long@call", number=n + 1), at=START + n) for n in range(5)],
    )
    app = create_app(load_settings(database, WEB_MAX_CALL_MESSAGES="3"))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/v1/calls/long@call", headers=HOST)
        shown = await answer.json()
    assert shown["complete"] is False
    assert [message["cseq"] for message in shown["messages"]] == [1, 2, 3]


def _beside(call_id: bytes, at: float, kind: int, payload: bytes) -> bytes:
    return packet(payload, at=at, type=kind, correlation_id=call_id)


async def test_reports_and_events_come_with_the_call(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Those of its Call-ID, in order; the range covers all."""
    rtcp = b'{"ssrc":1,"type":201,"report_blocks":[{"source_ssrc":2},{"source_ssrc":3}]}'
    await store(
        connection,
        [
            packet(request(call_id="q@x"), at=START + 1),
            *(_beside(b"q@x", START + at, 5, rtcp) for at in (3, 2)),
            _beside(b"q@x", START, 100, b"a line"),
            _beside(b"other@x", START, 100, b"another line"),
        ],
    )
    shown = (await get("/api/v1/calls/q@x")).json
    assert (shown["from"][17:19], shown["to"][17:19]) == ("20", "23")
    assert len(shown["messages"]) == 1
    assert [(item["ts"][17:19], item["block"]) for item in shown["reports"]] == [
        *(("22", 0), ("22", 1), ("23", 0), ("23", 1))
    ]
    assert "payload" not in shown["reports"][0]
    assert [item["payload"] for item in shown["events"]] == ["a line"]
    assert shown["complete"] is True


async def test_a_call_may_have_reports_only(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """The SIP may be captured elsewhere, or be gone; there is nothing to export, then."""
    await store(connection, [_beside(b"q@x", START, 5, b'{"ssrc":1}')])
    answer = await get("/api/v1/calls/q@x")
    assert (answer.status, answer.json["messages"], answer.json["events"]) == (200, [], [])
    assert [report["ssrc"] for report in answer.json["reports"]] == [1]
    answer = await get("/api/v1/calls/q@x/export.txt")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


async def test_reports_and_events_of_a_call_are_limited_too(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """Each to the number of messages that are shown."""
    await store(
        connection,
        [packet(request(call_id="q@x"), at=START)]
        + [_beside(b"q@x", START + n, 100, b"line %d" % n) for n in range(4)],
    )
    app = create_app(load_settings(database, WEB_MAX_CALL_MESSAGES="3"))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/v1/calls/q@x", headers=HOST)
        shown = await answer.json()
    assert shown["complete"] is False
    assert [event["payload"] for event in shown["events"]] == ["line 0", "line 1", "line 2"]


async def test_pcap_opens_in_tshark_with_the_same_bytes(
    client: Client, connection: AsyncConnection[TupleRow], tmp_path: Path
) -> None:
    """Bytes, addresses, ports and µs times; IPv4 and IPv6, UDP and TCP."""
    v6 = {"src_ip": bytes.fromhex("20010db8" + "00" * 11 + "01"),
          "dst_ip": bytes.fromhex("20010db8" + "00" * 11 + "02")}  # fmt: skip
    sent = [
        (request(call_id="p@x", number=1, body=b"v4 udp"), {}),
        (request(call_id="p@x", number=2, body=b"v4 tcp"), {"protocol": 6, "src_port": 40000}),
        (request(call_id="p@x", number=3, body=b"v6 udp"), v6),
        (request(call_id="p@x", number=4, body=b"v6 tcp \xff\x00"), v6 | {"protocol": 6}),
        (request(call_id="p@x", number=5, body=b"L" * 60_000), {"protocol": 6}),
    ]
    await store(
        connection,
        [
            packet(message, at=START + n + 0.123456, **fields)  # type: ignore[arg-type]
            for n, (message, fields) in enumerate(sent)
        ],
    )
    answer = await client.get("/api/v1/calls/p@x/export.pcap", headers=HOST)
    assert answer.content_type == "application/vnd.tcpdump.pcap"
    file = tmp_path / "call.pcap"
    file.write_bytes(await answer.read())
    shown = dissect(file)
    assert [item.payload for item in shown] == [message for message, _ in sent]
    assert [item.time for item in shown] == [f"{START + n:.0f}.123456000" for n in range(5)]
    assert [(item.src, item.dst) for item in shown] == [
        *[("192.0.2.1", "198.51.100.2")] * 2,
        *[("2001:db8::1", "2001:db8::2")] * 2,
        ("192.0.2.1", "198.51.100.2"),
    ]
    assert [(item.transport, item.src_port, item.dst_port) for item in shown] == [
        ("udp", 5060, 5060),
        ("tcp", 40000, 5060),
        ("udp", 5060, 5060),
        ("tcp", 5060, 5060),
        ("tcp", 5060, 5060),
    ]
    assert all(item.is_sip for item in shown)


async def test_text_export_holds_every_byte(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """Each message as it was, under a line with its time and addresses."""
    message = request(call_id="t@x", body=b"\xffbinary\x00")
    await store(connection, [packet(message, at=START)])
    answer = await client.get("/api/v1/calls/t@x/export.txt", headers=HOST)
    assert answer.content_type == "text/plain"
    line, _, rest = (await answer.read()).partition(b"\n")
    assert line == (
        b"--- 2026-09-21T14:13:20.000000Z UDP 192.0.2.1:5060 -> 198.51.100.2:5060 node 2001"
    )
    assert rest == message + b"\n\n"
