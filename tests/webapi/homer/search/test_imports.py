# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/import/data/pcap`` and ``…/now``: the same way in as that of our own API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from collector.api_token import local_token
from tests import capture_files
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from tests.receivers import StreamReceiver
from tests.sip_text import request
from tests.webapi.homer.search.conftest import HOST
from tests.webapi.imports.conftest import received
from webapi.app import create_app

HOUR_US = 3_600_000_000
Client = TestClient[Request, Application]


@pytest_asyncio.fixture(loop_scope="module")
async def client(shared_database: Database, node: StreamReceiver) -> AsyncIterator[Client]:
    """HOMER's API with that node, as somebody who may import."""
    loaded = load_settings(
        shared_database,
        WEB_IMPORT_TARGET=f"tcp:127.0.0.1:{node.port}",
        JOURNAL_MIN_FREE_BYTES="0",
    )
    with local_token(loaded) as authorization:
        server = TestServer(create_app(loaded))
        async with TestClient(server, headers=authorization) as opened:
            yield opened


async def _post(client: Client, path: str, content: bytes) -> Answer:
    form = FormData()
    form.add_field("fileKey", content, filename="call.pcap")
    answer = await client.post(f"/api/v3/import/data/{path}", data=form, headers=HOST)
    return Answer(answer.status, await answer.json())


@pytest.mark.parametrize(("path", "moved"), [("pcap", False), ("pcap/now", True)])
async def test_contract_of_an_import(
    client: Client, node: StreamReceiver, tmp_path: Path, path: str, *, moved: bool
) -> None:
    """Status 201 and how many messages; with ``/now`` the last of them is now."""
    at = time.time_ns() // 1000 - HOUR_US
    listed = [(at + n, capture_files.datagram(request(call_id=f"{n}@x"))) for n in range(3)]
    content = capture_files.write(tmp_path / "call.pcap", listed).read_bytes()
    answer = await _post(client, path, content)
    assert (answer.status, answer.json) == (
        *(201, {"data": {"inserted": 3, "rejected": 0}, "message": "All good"}),
    )
    packets = received(node)
    assert [packet.node_name for packet in packets] == [b"import/call.pcap"] * 3
    assert (packets[0].seconds > at / 1e6 + 60) is moved


async def test_what_is_no_capture_file_is_refused(client: Client) -> None:
    """In HOMER's shape."""
    answer = await _post(client, "pcap", b"no capture file at all")
    assert (answer.status, answer.json["data"]) == (400, {})
    assert answer.json["message"]
