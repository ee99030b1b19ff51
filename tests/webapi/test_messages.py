# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/messages`` over a real database."""

from __future__ import annotations

import base64
import time
from datetime import datetime

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.selection import Selection
from tests.fix_api import Get, load_settings, store
from tests.fix_database import Database
from tests.sip_text import packet, request

pytestmark = pytest.mark.one_database

PATH = "/api/v1/messages"
START = 1_790_000_000.0


async def _fill(connection: AsyncConnection[TupleRow], count: int = 30) -> None:
    """``count`` messages a second apart, in four Call-IDs; every third is a REGISTER."""
    await store(
        connection,
        [
            packet(
                request(
                    "REGISTER" if number % 3 == 0 else "INVITE",
                    f"call-{number % 4}@test",
                    number=number + 1,
                ),
                at=START + number,
            )
            for number in range(count)
        ],
    )


async def _numbers(get: Get, **parameters: str) -> list[int]:
    """The CSeq numbers of all pages, following ``next``."""
    numbers: list[int] = []
    while True:
        answer = await get(PATH, from_=str(START), to=str(START + 1000), **parameters)
        assert answer.status == 200, answer.json
        numbers += [message["cseq"] for message in answer.json["messages"]]
        if not answer.json["next"]:
            assert answer.json["complete"]
            return numbers
        parameters["cursor"] = answer.json["next"]


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
@pytest.mark.parametrize("sort", ["ts", "-ts", "call_id", "-method", "status", "from_user"])
async def test_pages_show_every_message_once(
    get: Get, connection: AsyncConnection[TupleRow], sort: str, limit: int
) -> None:
    """Whatever the order and the size of a page."""
    await _fill(connection)
    numbers = await _numbers(get, sort=sort, limit=str(limit))
    assert sorted(numbers) == list(range(1, 31))
    if sort == "ts":
        assert numbers == list(range(1, 31))
    if sort == "-ts":
        assert numbers == list(range(30, 0, -1))


async def test_equal_times_are_paged_by_arrival(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Messages of one microsecond are neither skipped nor shown twice at a page's border."""
    await store(connection, [packet(request(number=number + 1), at=START) for number in range(10)])
    assert await _numbers(get, sort="ts", limit="3") == list(range(1, 11))
    assert await _numbers(get, sort="-ts", limit="3") == list(range(10, 0, -1))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"method": "REGISTER"}, {1, 4, 7, 10, 13, 16, 19, 22, 25, 28}),
        ({"kind": "registration"}, {1, 4, 7, 10, 13, 16, 19, 22, 25, 28}),
        ({"call_id": "call-1@test"}, {2, 6, 10, 14, 18, 22, 26, 30}),
        ({"method": "REGISTER", "call_id": "call-1@test"}, {10, 22}),
        ({"method": "BYE,CANCEL"}, set()),
        ({"from_user": "al*"}, set(range(1, 31))),
        ({"from_user": "AL*"}, set()),
        ({"to_user": "bob", "ruri_user": "b*b"}, set(range(1, 31))),
        ({"from_user": "a%"}, set()),
        ({"src_ip": "192.0.2.0/24"}, set(range(1, 31))),
        ({"dst_ip": "192.0.2.0/24"}, set()),
        ({"ip": "198.51.100.2"}, set(range(1, 31))),
        ({"ip": "2001:db8::/32"}, set()),
        ({"port": "5060", "dst_port": "5060"}, set(range(1, 31))),
        ({"status": "none"}, set(range(1, 31))),
        ({"status": "4xx,200"}, set()),
        ({"node": "2001", "transport": "udp"}, set(range(1, 31))),
        ({"text": "CSeq: 17 "}, {17}),
        ({"fault": "any"}, set()),
    ],
)
async def test_filters(
    get: Get,
    connection: AsyncConnection[TupleRow],
    parameters: dict[str, str],
    expected: set[int],
) -> None:
    """Each filter alone and together; ``*`` is the only wildcard."""
    await _fill(connection)
    assert set(await _numbers(get, **parameters)) == expected


async def test_status_classes(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """Codes and classes, joined by commas."""
    line = b"INVITE sip:bob@example.com SIP/2.0"
    codes = (100, 180, 200, 404, 486, 503)
    await store(
        connection,
        [
            packet(
                request(number=code).replace(line, b"SIP/2.0 %d Because" % code), at=START + code
            )
            for code in codes
        ],
    )
    assert await _numbers(get, status="4xx,503") == [503, 486, 404]
    assert await _numbers(get, status="200") == [200]
    assert await _numbers(get, sort="status", limit="4") == list(codes)


async def test_the_time_range_takes_its_beginning_and_not_its_end(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """So that two ranges that touch show each message once."""
    await _fill(connection)
    answer = await get(PATH, from_=str(START + 5), to=str(START + 8), sort="ts")
    assert [message["cseq"] for message in answer.json["messages"]] == [6, 7, 8]


async def test_a_message_in_json(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """Microseconds, an id that a browser can hold, the raw message on request."""
    message = request(call_id="shown@test", number=7)
    await store(connection, [packet(message, at=START + 0.000001, vlan=12, node_name=b"edge1")])
    answer = await get(PATH, from_=str(START), to=str(START + 1), raw="true")
    (shown,) = answer.json["messages"]
    assert shown.pop("id").isdigit()
    assert abs(time.time() - _seconds(shown.pop("received_at"))) < 60
    assert shown == {
        "ts": "2026-09-21T14:13:20.000001Z",
        "kind": "call",
        "src_ip": "192.0.2.1",
        "src_port": 5060,
        "dst_ip": "198.51.100.2",
        "dst_port": 5060,
        "transport": "UDP",
        "node": "edge1",
        "vlan": 12,
        "call_id": "shown@test",
        "method": "INVITE",
        "cseq": 7,
        "ruri_user": "bob",
        "ruri_domain": "example.com",
        "from_user": "alice",
        "from_domain": "example.com",
        "from_tag": "a",
        "to_user": "bob",
        "to_domain": "example.com",
        "via_branch": "z9hG4bK-7",
        "raw": message.decode(),
    }


async def test_a_binary_message_comes_in_base64(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Bytes that are no text are not bent into text."""
    message = request(body=b"\xff\x00\xfe")
    await store(connection, [packet(message, at=START)])
    answer = await get(PATH, from_=str(START), to=str(START + 1), raw="true")
    (shown,) = answer.json["messages"]
    assert "raw" not in shown
    assert base64.b64decode(shown["raw_base64"]) == message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonsense", "1"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "many"),
        ("from", "yesterday"),
        ("to", "2026-13-01"),
        ("sort", "raw"),
        ("sort", "ts; DROP TABLE sip_message_call"),
        ("cursor", "bm90IG9uZQ"),
        ("status", "700"),
        ("status", "abc"),
        ("method", "IN VITE"),
        ("ip", "10.0.0.300"),
        ("port", "65536"),
        ("kind", "calls"),
        ("transport", "carrier-pigeon"),
        ("call_id", ""),
        ("text", "a\0b"),
        ("raw", "yes"),
        ("fault", "no_such_fault"),
        ("from_user", "x" * 1001),
    ],
)
async def test_bad_input_names_the_field(get: Get, name: str, value: str) -> None:
    """400, one shape, and which parameter is wrong."""
    answer = await get(PATH, **{f"{name}_" if name == "from" else name: value})
    assert answer.status == 400
    assert answer.json["error"]["code"] == "bad_parameter"
    assert answer.json["error"]["field"] == name
    assert answer.json["error"]["message"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    "value", ["'", "' OR 1=1 --", "\\", "%", "_", "{}", "%s", "$1", "\u202e", "🙂"]
)
@pytest.mark.parametrize("name", ["call_id", "from_user", "user_agent", "text", "node"])
async def test_hostile_values_are_only_values(
    get: Get, connection: AsyncConnection[TupleRow], name: str, value: str
) -> None:
    """They find nothing or are refused; they never break or widen the query."""
    await _fill(connection, 3)
    answer = await get(PATH, from_=str(START), to=str(START + 100), **{name: value})
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert answer.json["messages"] == []


async def test_a_cursor_of_another_sort_is_refused(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """A page number means nothing in another order."""
    await _fill(connection)
    first = await get(PATH, from_=str(START), to=str(START + 100), sort="ts", limit="5")
    answer = await get(PATH, sort="-ts", cursor=first.json["next"])
    assert (answer.status, answer.json["error"]["field"]) == (400, "cursor")


def _seconds(text: str) -> float:

    return datetime.fromisoformat(text).timestamp()


async def test_custom_headers_and_the_leg_before_are_found(
    get: Get, connection: AsyncConnection[TupleRow], database: Database
) -> None:
    """Numbers by their text; a header that is not there is no match."""
    loaded = load_settings(
        database, SIP_CUSTOM_HEADERS="X-Tenant, X-Cost: number", CORRELATION_HEADERS="X-CID"
    )
    lines = ("X-Tenant: a:b\r\nX-CID: leg-a\r\n", "X-Cost: 12\r\n", "")
    await store(
        connection,
        [
            packet(request(number=number + 1, headers=headers), at=START)
            for number, headers in enumerate(lines)
        ],
        Selection(loaded),
    )
    assert await _numbers(get, header="X-Tenant:a:b") == [1]
    assert await _numbers(get, header="X-Cost: 12") == [2]
    assert await _numbers(get, header="X-Tenant:") == []
    assert await _numbers(get, aleg_id="leg-a") == [1]
    answer = await get(PATH, from_=str(START), to=str(START + 1), aleg_id="leg-a")
    (message,) = answer.json["messages"]
    assert (message["headers"], message["correlation_id"]) == ({"X-Tenant": "a:b"}, "leg-a")
    answer = await get(PATH, header="X-Tenant")
    assert (answer.status, answer.json["error"]["field"]) == (400, "header")
