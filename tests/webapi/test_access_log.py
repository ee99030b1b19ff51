# SPDX-License-Identifier: GPL-2.0-or-later
"""The log of requests."""

from __future__ import annotations

import logging

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_openapi import differences
from webapi.access_log import AccessLog
from webapi.app import create_app

TOKEN = "kss_" + "x" * 43


@pytest.mark.parametrize("begin", ["kss_", "%6bss_"])
async def test_the_log_has_no_token_of_a_link(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    begin: str,
) -> None:
    """Who reads it could open what the link opens: neither in a line nor after a fault."""

    def fault(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("webapi.names.share_link.find", fault)
    server = TestServer(create_app(load_settings(database)))
    await server.start_server(access_log_class=AccessLog)
    async with TestClient(server) as client:
        path = "/api/v1/shared/" + TOKEN.replace("kss_", begin)
        headers = {"Host": "127.0.0.1:9080", "User-Agent": "x"}
        with caplog.at_level(logging.INFO):
            assert (await client.get(path, headers=headers)).status == 500
    assert len(differences()) == 1  # a fault is in no description
    lines = [record.getMessage() for record in caplog.records]
    assert "GET /api/v1/shared/***" in lines
    assert any(line.startswith('127.0.0.1 "GET /api/v1/shared/***" 500 ') for line in lines)
    assert TOKEN not in caplog.text
