# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/export/call/messages/pcap`` and ``…/text``."""

from __future__ import annotations

import pytest
from psycopg import AsyncConnection

from tests.fix_database import Database
from tests.webapi.homer.search.conftest import CALL, HOST, RANGE, START, A, B, Homer

BEGINNING = {"from": (START - 1) * 1000, "to": (START + 1) * 1000}
"""A time range that the calls go beyond."""


@pytest.mark.parametrize(
    ("kind", "content_type", "begins"),
    [
        ("pcap", "application/octet-stream", bytes.fromhex("d4c3b2a1")),
        ("text", "text/plain", b"proto:UDP 2026-03-10T12:00:00.000000Z  192.0.2.101:5060 ---> "),
    ],
)
async def test_export_has_all_legs(
    homer: Homer, kind: str, content_type: str, begins: bytes
) -> None:
    """Status 200, a file name, and the same messages as the call window."""
    body = {"timestamp": BEGINNING, "param": {"search": {"1_call": {"callid": [A]}}}}
    path = f"/api/v3/export/call/messages/{kind}"
    answer = await homer.client.post(path, json=body, headers=HOST)
    content = await answer.read()
    assert (answer.status, answer.content_type) == (200, content_type)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="export-')
    assert content.startswith(begins)
    assert all(message.sip in content for message in CALL.messages)
    nobody = await homer.ask(f"export/call/messages/{kind}", {"1_call": {"callid": ["nobody"]}})
    assert nobody.status == 400
    left_out = await homer.ask(
        *(f"export/call/messages/{kind}", {"1_call": {"callid": [A]}}),
        whitelist=["192.0.2.101"],
        span=RANGE,
    )
    assert CALL.messages[0].sip not in left_out.json
    assert CALL.messages[2].sip in left_out.json


async def test_the_audit_log_says_what_was_exported(homer: Homer, captured: Database) -> None:
    """The path alone does not."""
    await homer.ask("export/call/messages/text", {"1_call": {"callid": [A]}})
    async with await AsyncConnection.connect(captured.dsn) as connection:
        query = "SELECT subject, detail FROM audit_log ORDER BY id DESC LIMIT 1"
        row = await (await connection.execute(query)).fetchone()
    assert row == ("/api/v3/export/call/messages/text", {"call_ids": [A, B]})
