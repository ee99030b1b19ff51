# SPDX-License-Identifier: GPL-2.0-or-later
"""CSV and JSON lines: the API's own fields, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import orjson
import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.call_rows import CALL_START, add_answered, add_failed
from tests.fix_api import Get, store
from tests.sip_text import packet, request
from tests.webapi.export.rows import row
from webapi.export.table import COLUMNS, Table
from webapi.subject import MESSAGES

Client = TestClient[Request, Application]
HOST = {"Host": "127.0.0.1:9080"}
START = 1_790_000_000.0
SPAN = {"from": str(START - 1), "to": str(START + 100)}
DAY = {"from": CALL_START.isoformat(), "to": "2026-11-24T00:00:00Z"}


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_calls_as_a_table_have_what_the_search_shows(
    client: Client, connection: AsyncConnection[TupleRow], get: Get
) -> None:
    """The same filters, every field of the API a column."""
    await add_answered(connection, "a@x", 0, from_user="=1+1")
    await add_failed(connection, "b@x", 5, status=486, failure_reason='Q.850;text="a,\nb"')
    shown = (await get("/api/v1/calls", from_=DAY["from"], to=DAY["to"], sort="started_at")).json
    for query, wanted in (({}, shown["calls"]), ({"status": "486"}, shown["calls"][1:])):
        answer = await client.get("/api/v1/calls/export.csv", params=DAY | query, headers=HOST)
        assert answer.content_type == "text/csv"
        name = answer.headers["Content-Disposition"]
        assert name == 'attachment; filename="calls-20261124T000000Z.csv"'
        lines = _read(await answer.text())
        assert [line["call_id"] for line in lines] == [call["call_id"] for call in wanted]
        for line, call in zip(lines, wanted, strict=True):
            assert set(call) <= set(line)
            assert line["started_at"] == call["started_at"]
            assert line["messages"] == str(call["messages"])
    answer = await client.get("/api/v1/calls/export.csv", params=DAY, headers=HOST)
    assert _read(await answer.text())[0]["from_user"] == "'=1+1"
    answer = await client.get("/api/v1/calls/export.jsonl", params=DAY, headers=HOST)
    assert [orjson.loads(line) for line in (await answer.read()).splitlines()] == shown["calls"]


async def test_messages_as_a_table_have_every_field_and_the_text_if_asked(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """``raw`` or ``raw_base64``; without ``raw=true`` neither."""
    await store(
        connection,
        [
            packet(request(call_id="t@x", body=b"text"), at=START),
            packet(request(call_id="b@x", body=b"\xff"), at=START + 1),
        ],
    )
    path = "/api/v1/messages/export.csv"
    lines = _read(await (await client.get(path, params=SPAN, headers=HOST)).text())
    assert tuple(lines[0]) == COLUMNS["messages"]
    raw = await client.get(path, params=SPAN | {"raw": "true"}, headers=HOST)
    text, binary = _read(await raw.text())
    assert text["raw"].encode() == request(call_id="t@x", body=b"text")
    assert (text["raw_base64"], binary["raw"]) == ("", "")
    assert binary["raw_base64"]


def test_no_field_of_a_message_is_missing_in_the_table() -> None:
    """Whatever columns there will be."""
    full = dict.fromkeys(MESSAGES.columns, "x") | row(0, b"raw", chunks={"mos": 4}, vlan=7)
    full |= {"sender_ts": full["ts"], "sort_key": 1}
    names = {"src_name", "dst_name", "site"}
    assert set(MESSAGES.show(full)) - {"raw"} | names == set(COLUMNS["messages"])


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_cell_is_never_a_formula(begin: str) -> None:
    """CWE-1236: the text is quoted with an apostrophe, and whole."""
    text = f'{begin}HYPERLINK("http://evil.example","x")'
    table = Table(MESSAGES, payload=True)
    written = table.begin() + table.rows([row(0, text.encode(), user_agent=text)])
    (line,) = _read(written.decode())
    assert line["user_agent"] == line["raw"] == f"'{text}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(text: str) -> None:
    """Quotes, commas, line ends: RFC 4180."""
    table = Table(MESSAGES, payload=False)
    written = table.begin() + table.rows([row(0, b"", reason=text)])
    (line,) = _read(written.decode())
    assert line["reason"] in (text, f"'{text}")
    assert not line["reason"].startswith(("=", "+", "-", "@", "\t", "\r"))


async def test_times_of_a_table_in_another_zone(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """With the offset of each moment, so that nothing is ambiguous; the same moments as in UTC."""
    await add_answered(connection, "a@x", 0)
    texts = {}
    for zone in ("UTC", "America/St_Johns"):
        query = DAY | {"time_zone": zone}
        answer = await client.get("/api/v1/calls/export.csv", params=query, headers=HOST)
        (texts[zone],) = _read(await answer.text())
    assert texts["America/St_Johns"]["started_at"] == "2026-11-23T06:30:00.000000-03:30"
    assert texts["UTC"]["started_at"] == "2026-11-23T10:00:00.000000Z"
    for name, text in texts["UTC"].items():
        other = texts["America/St_Johns"][name]
        same = text == other or datetime.fromisoformat(text) == datetime.fromisoformat(other)
        assert same, name


@pytest.mark.parametrize(
    ("file", "zone"),
    [("csv", "Nowhere/Land"), ("csv", "../../etc/passwd"), ("csv", ""), ("jsonl", "UTC")],
)
async def test_what_is_no_time_zone_is_refused(client: Client, file: str, zone: str) -> None:
    """No file is opened by a name that somebody gives; other files have UTC."""
    path = f"/api/v1/calls/export.{file}"
    answer = await client.get(path, params=DAY | {"time_zone": zone}, headers=HOST)
    assert answer.status == 400
    assert (await answer.json())["error"]["field"] == "time_zone"
