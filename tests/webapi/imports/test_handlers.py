# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v1/imports``: bodies, limits, and a client that goes away."""

from __future__ import annotations

import asyncio
import gzip
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from collector.api_token import local_token
from tests import capture_files
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from tests.fix_listener import until
from tests.receivers import StreamReceiver
from tests.sip_text import request
from tests.webapi.imports.conftest import readers, received
from webapi.app import create_app
from webapi.context import CONTEXT
from webapi.imports.handlers import RUNNING

pytestmark = pytest.mark.one_database

PATH: Final = "/api/v1/imports"
PCAP: Final = "application/vnd.tcpdump.pcap"
Client = TestClient[Request, Application]


@pytest.fixture
async def client(database: Database, node: StreamReceiver) -> AsyncIterator[Client]:
    """The API with that node, and small limits."""
    loaded = load_settings(
        database,
        WEB_IMPORT_TARGET=f"tcp:127.0.0.1:{node.port}",
        WEB_MAX_IMPORT_BYTES="1MiB",
        WEB_IMPORT_TIMEOUT="20",
        JOURNAL_MIN_FREE_BYTES="0",
    )
    with local_token(loaded) as authorization:
        server = TestServer(create_app(loaded))
        async with TestClient(server, headers=authorization) as opened:
            yield opened


def _file(tmp_path: Path, count: int = 3) -> bytes:
    at = time.time_ns() // 1000 - 60_000_000
    captured = [
        (at + n, capture_files.datagram(request("INVITE", f"{n}@example"))) for n in range(count)
    ]
    return capture_files.write(tmp_path / "upload.pcap", captured).read_bytes()


async def _post(client: Client, body: Any, query: str = "", **headers: str) -> Answer:
    sent = {"Host": "127.0.0.1:9080"}
    kind = {} if isinstance(body, FormData) else {"Content-Type": PCAP}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = BytesIO(body) if isinstance(body, bytes) and len(body) > 1 << 20 else body
    answer = await client.post(PATH + query, data=data, headers=sent | kind | names)
    return Answer(answer.status, await answer.json())


async def test_a_body_is_the_file(client: Client, node: StreamReceiver, tmp_path: Path) -> None:
    """201, and what there was."""
    status, found = await _post(client, _file(tmp_path), "?name=..%2F..%2Fmy file.pcap")
    assert (status, found["node"]) == (201, "import/my_file.pcap")
    assert (found["sent"], found["errors"]) == ({"call": 3}, [])
    assert [packet.node_name for packet in received(node)] == [b"import/my_file.pcap"] * 3
    async with client.app[CONTEXT].connection() as connection:
        found = await (await connection.execute("SELECT action, subject FROM audit_log")).fetchall()
    assert found == [{"action": "imported", "subject": "import/my_file.pcap"}]


async def test_a_form_has_one_file(client: Client, node: StreamReceiver, tmp_path: Path) -> None:
    """As a browser sends it; packed or not, other fields are passed over."""
    form = FormData()
    form.add_field("comment", "of yesterday")
    form.add_field("fileKey", gzip.compress(_file(tmp_path)), filename='a"b/ü.pcap.gz')
    status, found = await _post(client, form)
    assert (status, found["sent"]) == (201, {"call": 3}), found
    assert found["node"].startswith("import/")
    assert len(received(node)) == 3
    form = FormData()
    for name in ("one", "two"):
        form.add_field(name, _file(tmp_path), filename=name)
    status, found = await _post(client, form)
    assert (status, found["error"]["code"]) == (400, "many_files")


@pytest.mark.parametrize(
    ("query", "headers", "body", "status", "code"),
    [
        ("", {"Authorization": "Bearer ksc_no"}, b"x", 401, "bad_token"),
        ("", {"Origin": "https://evil.example"}, b"x", 403, "origin_not_allowed"),
        ("?shift=tomorrow", {}, b"x", 400, "bad_parameter"),
        ("?node=mine", {}, b"x", 400, "bad_parameter"),
        ("?name=a%0Ab", {}, b"x", 400, "bad_parameter"),
        ("", {"Content-Type": "text/plain"}, b"x", 415, "not_a_capture_file"),
        ("", {"Content-Type": "multipart/form-data"}, b"x", 400, "bad_form"),
        ("", {"Content-Type": "multipart/form-data; boundary=b"}, b"x", 400, "bad_form"),
        (
            "",
            {"Content-Type": "multipart/form-data; boundary=b"},
            b"--b\r\nno header\r\n\r\n",
            400,
            "bad_form",
        ),
        ("", {}, b"", 400, "empty_file"),
        ("", {}, b"x", 422, "bad_capture_file"),
        ("", {}, bytes(3 << 20), 413, "too_large"),
    ],
)
async def test_what_is_refused(
    client: Client,
    node: StreamReceiver,
    query: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    code: str,
) -> None:
    """In the one JSON shape; nothing is sent, and the next one is taken."""
    found = await _post(client, body, query, **headers)
    assert (found.status, found.json["error"]["code"]) == (status, code)
    assert not node.packets
    assert not client.app[RUNNING]


async def test_a_body_in_chunks_has_the_same_limit(client: Client) -> None:
    """No Content-Length says how much will come."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    found = await _post(client, chunks())
    assert (found.status, found.json["error"]["code"]) == (413, "too_large")


async def test_one_file_at_a_time(client: Client, tmp_path: Path) -> None:
    """The second is told to come again; while the first is taken, others are answered."""
    gate = asyncio.Event()
    data = _file(tmp_path)

    async def slowly() -> AsyncIterator[bytes]:
        yield data[:30]
        await gate.wait()
        yield data[30:]

    first = asyncio.create_task(_post(client, slowly()))
    await until(lambda: bool(client.app[RUNNING]))
    second = await _post(client, data)
    assert (second.status, second.json["error"]["code"]) == (503, "too_many_imports")
    gate.set()
    assert (await first).status == 201
    assert (await _post(client, data)).status == 201


async def test_a_client_that_goes_away_ends_the_import(
    client: Client, node: StreamReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that reads is ended, and the file is gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    node.hangs = True
    task = asyncio.create_task(_post(client, _file(tmp_path)))
    await until(lambda: bool(readers()))
    assert _open_files(tmp_path)
    task.cancel()
    await asyncio.wait((task,))
    await until(lambda: not client.app[RUNNING])
    assert not readers()
    assert not _open_files(tmp_path)


def _open_files(folder: Path) -> list[str]:
    """Files without a name that this process has open there."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return [target for target in found if target.startswith(str(folder))]
