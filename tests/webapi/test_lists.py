# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/reports`` and ``/api/v1/events``; what all lists share is in test_messages."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_api import Get, store
from tests.quality_json import HORACLIFIX, VQ_TOKENS
from tests.sip_text import packet

pytestmark = pytest.mark.one_database

START = 1_790_000_000.0
Connection = AsyncConnection[TupleRow]


async def _fill(connection: Connection) -> None:
    """Ten RTCP packets of two blocks each, and ten log lines, a second apart, in three calls."""
    packets = []
    for number in range(10):
        call_id = b"call-%d@test" % (number % 3)
        rtcp = (
            b'{"ssrc":%d,"type":201,"report_blocks":[{"source_ssrc":7,"ia_jitter":1},'
            b'{"source_ssrc":8,"ia_jitter":2}]}' % (100 + number)
        )
        log = b"line %d of a log" % number
        packets += [
            packet(rtcp, at=START + number, type=5, correlation_id=call_id, node_name=b"media"),
            packet(log, at=START + number, type=100, correlation_id=call_id, src_port=number),
        ]
    await store(connection, packets)


async def _all(get: Get, subject: str, **parameters: str) -> list[dict[str, Any]]:
    """The rows of all pages."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await get(
            f"/api/v1/{subject}", from_=str(START), to=str(START + 1000), **parameters
        )
        assert answer.status == 200, answer.json
        found += answer.json[subject]
        if not answer.json["next"]:
            return found
        parameters["cursor"] = answer.json["next"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("sort", ["ts", "-ts", "call_id", "-node", "type"])
async def test_pages_show_every_report_block_once(
    get: Get, connection: Connection, sort: str, limit: int
) -> None:
    """Blocks of one packet are told apart at a page's border."""
    await _fill(connection)
    found = await _all(get, "reports", sort=sort, limit=str(limit))
    blocks = [(report["ssrc"], report["block"]) for report in found]
    assert sorted(blocks) == [(100 + number, block) for number in range(10) for block in (0, 1)]
    if sort == "ts":
        assert blocks == sorted(blocks)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, 20),
        ({"call_id": "call-1@test"}, 6),
        ({"type": "5"}, 20),
        ({"type": "34,35"}, 0),
        ({"ssrc": "103"}, 2),
        ({"ssrc": "0x67"}, 2),
        ({"source_ssrc": "8"}, 10),
        ({"source_ssrc": "8", "ssrc": "103"}, 1),
        ({"node": "media"}, 20),
        ({"node": "other"}, 0),
        ({"ip": "192.0.2.0/24"}, 20),
        ({"dst_ip": "192.0.2.0/24"}, 0),
        ({"port": "5060"}, 20),
        ({"direction": "in"}, 0),
        ({"fault": "any"}, 0),
        ({"fault": "value"}, 0),
    ],
)
async def test_filters_of_reports(
    get: Get, connection: Connection, parameters: dict[str, str], expected: int
) -> None:
    """Each alone and together."""
    await _fill(connection)
    assert len(await _all(get, "reports", **parameters)) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, set(range(10))),
        ({"call_id": "call-1@test"}, {1, 4, 7}),
        ({"type": "100"}, set(range(10))),
        ({"type": "53,54"}, set()),
        ({"text": "line 7 of"}, {7}),
        ({"text": "LINE"}, set()),
        ({"src_port": "3"}, {3}),
        ({"src_ip": "192.0.2.1", "node": "2001"}, set(range(10))),
        ({"fault": "payload"}, set()),
    ],
)
async def test_filters_of_events(
    get: Get, connection: Connection, parameters: dict[str, str], expected: set[int]
) -> None:
    """Each alone and together."""
    await _fill(connection)
    found = await _all(get, "events", limit="4", **parameters)
    assert {event["src_port"] for event in found} == expected
    assert len(found) == len(expected)


async def test_a_report_in_json(get: Get, connection: Connection) -> None:
    """What it has, in the units of the columns; the payload on request and once a packet."""
    vq = packet(VQ_TOKENS, at=START, type=35, correlation_id=b"q", extra={0x26: b"blue"})
    await store(connection, [vq])
    (shown,) = await _all(get, "reports", payload="true")
    assert shown.pop("id").isdigit()
    assert shown.pop("received_at")
    assert shown == {
        "ts": "2026-09-21T14:13:20.000000Z",
        "type": 35,
        "block": 0,
        "src_ip": "192.0.2.1",
        "src_port": 5060,
        "dst_ip": "198.51.100.2",
        "dst_port": 5060,
        "call_id": "q",
        "node": "2001",
        "fraction_lost": 0.005,
        "fraction_discarded": 0.0125,
        "jitter_ms": 12.0,
        "mos": 4.1,
        "mos_cq": 3.9,
        "chunks": {"tags": "blue"},
        "payload": VQ_TOKENS.decode(),
    }


async def test_faults_and_directions(get: Get, connection: Connection) -> None:
    """horaclifix reports both sides, and a MOS of 0 for one; RTCP that cannot be read is kept."""
    await store(
        connection,
        [
            packet(HORACLIFIX, at=START, type=38),
            packet(b'{"ssrc"', at=START, type=5),
        ],
    )
    (faulty,) = await _all(get, "reports", fault="any")
    assert (faulty["direction"], faulty["fault"]) == ("out", "value")
    (inward,) = await _all(get, "reports", direction="in")
    assert (inward["mos"], inward["call_id"]) == (4.2, "")
    (kept,) = await _all(get, "events", fault="payload", payload="true")
    assert (kept["type"], kept["payload"]) == (5, '{"ssrc"')


async def test_a_binary_payload_comes_in_base64(get: Get, connection: Connection) -> None:
    """Bytes that are no text are not bent into text."""
    await store(connection, [packet(b"\xff\0", at=START, type=100)])
    (shown,) = await _all(get, "events", payload="true")
    assert shown["payload_base64"] == "/wA="


@pytest.mark.parametrize("subject", ["reports", "events"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("type", "256"), ("type", "rtcp"), ("type", ""), ("type", "5,")),
        *(("sort", "method"), ("sort", "payload"), ("from_user", "a"), ("raw", "true")),
        *(("payload", "yes"), ("fault", "call_id"), ("cursor", "bm90IG9uZQ")),
    ],
)
async def test_bad_input_names_the_field(get: Get, subject: str, name: str, value: str) -> None:
    """400, and which parameter is wrong."""
    answer = await get(f"/api/v1/{subject}", **{name: value})
    assert (answer.status, answer.json["error"]["field"]) == (400, name)


@pytest.mark.parametrize("value", ["-1", "x", "0x", "0x123456789", "1e3", "99999999999", "0o7"])
async def test_an_ssrc_is_a_number_of_32_bits(get: Get, value: str) -> None:
    """Decimal or hexadecimal."""
    answer = await get("/api/v1/reports", ssrc=value)
    assert (answer.status, answer.json["error"]["field"]) == (400, "ssrc")


async def test_a_cursor_of_another_list_is_refused(get: Get, connection: Connection) -> None:
    """Its rows are told apart by other columns."""
    await _fill(connection)
    first = await get("/api/v1/events", from_=str(START), to=str(START + 9), sort="ts", limit="5")
    answer = await get("/api/v1/reports", sort="ts", cursor=first.json["next"])
    assert (answer.status, answer.json["error"]["field"]) == (400, "cursor")
