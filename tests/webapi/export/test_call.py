# SPDX-License-Identifier: GPL-2.0-or-later
"""One call as text and as JSON, and the names of files."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_api import Get, store
from tests.sip_text import packet, request
from webapi.export.download import disposition

pytestmark = pytest.mark.one_database

Client = TestClient[Request, Application]
HOST = {"Host": "127.0.0.1:9080"}
START = 1_790_000_000.0


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


async def test_json_export_is_what_the_api_answers(
    client: Client, connection: AsyncConnection[TupleRow], get: Get
) -> None:
    """The whole call: legs, links and quality too."""
    await store(connection, [packet(request(call_id="j@x"), at=START)])
    answer = await client.get("/api/v1/calls/j@x/export.json", headers=HOST)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="j@x.json"'
    assert await answer.json() == (await get("/api/v1/calls/j@x")).json


@pytest.mark.parametrize("suffix", ["pcap", "pcapng", "txt", "json", "xml", "svg"])
async def test_a_call_without_messages_is_404(client: Client, suffix: str) -> None:
    """In the one shape, and no file."""
    answer = await client.get(f"/api/v1/calls/nobody@x/export.{suffix}", headers=HOST)
    assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a@b", 'attachment; filename="a@b.txt"'),
        ("../../etc/passwd", 'attachment; filename="_.._etc_passwd.txt"'),
        ('x"; filename="y', 'attachment; filename="x_filename_y.txt"'),
        ("a\r\nSet-Cookie: x", 'attachment; filename="a_Set-Cookie_x.txt"'),
        ("...", 'attachment; filename="call.txt"'),
        ("\u00fc/b", "attachment; filename=\"_b.txt\"; filename*=UTF-8''%C3%BC_b.txt"),
    ],
)
def test_a_file_name_is_safe(name: str, value: str) -> None:
    """RFC 6266, RFC 8187: no path, no second header, and the letters of those who have others."""
    assert disposition(name, "txt") == value


@given(st.text(max_size=300))
def test_any_name_is_one_header_of_ascii(name: str) -> None:
    """Call-IDs are text of anybody."""
    value = disposition(name, "pcap")
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    assert len(value) < 1500
