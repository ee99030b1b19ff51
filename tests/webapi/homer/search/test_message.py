# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/search/call/message`` and ``…/decode/message``."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.webapi.homer.search.conftest import CALL, Homer
from webapi.app import create_app
from webapi.homer.search.message import with_isup_as_hex


async def test_ids_of_a_message_find_it_again(homer: Homer) -> None:
    """With text and moment, in the window that the pages use."""
    row = (await homer.find("1_call")).json["data"][3]
    span = {"from": row["create_date"] - 1000, "to": row["create_date"] + 1000}
    for wanted in ({"id": row["id"]}, {"uuid": [row["id"]]}, {"id": row["id"], "uuid": [1]}):
        answer = await homer.ask("search/call/message", {"1_call": wanted}, span=span)
        assert answer.status == 201
        assert set(answer.json) == {"total", "keys", "data"}
        (found,) = answer.json["data"]
        assert (found["id"], found["uuid"], found["sid"]) == (row["id"], row["id"], row["sid"])
        assert found["raw"].encode() == CALL.messages[3].sip
        assert found["create_ts"] == row["create_date"]
        assert found["micro_ts"] * 1000 == pytest.approx(CALL.messages[3].us)
        assert not {"node", "dbnode", "profile"} & set(found)
    away = await homer.ask(
        "search/call/message", {"1_call": {"id": row["id"]}}, span={"from": 0, "to": 1}
    )
    assert (away.status, away.json["data"]) == (201, [])
    bodies: list[dict[str, Any]] = [{}, {"id": "x"}, {"uuid": []}, {"id": None}]
    for bad in bodies:
        assert (await homer.ask("search/call/message", {"1_call": bad})).status == 400


async def test_a_message_is_decoded(homer: Homer) -> None:
    """As tshark's JSON has it; what is no SIP has nothing to decode."""
    row = (await homer.find("1_call")).json["data"][0]
    answer = await homer.ask("search/call/decode/message", {"1_call": {"id": row["id"]}})
    assert (answer.status, answer.json["total"]) == (201, 1)
    layers = answer.json["data"][0]["decoded"][0]["_source"]["layers"]
    assert layers["sip"]["sip.Request-Line_tree"]["sip.Method"] == "INVITE"
    log = (await homer.find("100_default")).json["data"][0]
    answer = await homer.ask("search/call/decode/message", {"100_default": {"id": log["id"]}})
    assert answer.json["data"] == [{}]


def test_isup_is_shown_in_hexadecimal() -> None:
    """Its part of a message alone; other bodies stay as they are."""
    head = b"INVITE sip:b@x SIP/2.0\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n"
    part = b"Content-Type: application/ISUP;version=x\r\nContent-Length: 3\r\n\r\n"
    message = head + part + b"\x01\x00\xaf" + b"\r\n--b--\r\n"
    assert with_isup_as_hex(message) == head + part + b"01 00 AF" + b"\r\n--b--\r\n"
    whole = part + b"\x01\xff"
    assert with_isup_as_hex(whole) == part + b"01 FF"
    for other in (head, b"", CALL.messages[0].sip):
        assert with_isup_as_hex(other) == other


async def test_without_tshark_there_is_nothing_decoded(captured: Database) -> None:
    """And no failure, which the pages would show with each message."""
    app = create_app(load_settings(captured, WEB_TSHARK=""))
    async with TestClient(TestServer(app)) as client:
        homer = Homer(client)
        row = (await homer.find("1_call")).json["data"][0]
        answer = await homer.ask("search/call/decode/message", {"1_call": {"id": row["id"]}})
        assert (answer.status, answer.json) == (201, {"total": 1, "data": [{}]})
