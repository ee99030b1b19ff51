# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings in force, as the API tells them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from aiohttp.test_utils import TestClient, TestServer
from psycopg.conninfo import conninfo_to_dict

from collector.api_token import local_token
from collector.settings import Settings, load_with_origins
from collector.settings.model import describe
from tests.fix_access import HOST
from tests.fix_database import Database
from webapi.access.roles import Scope
from webapi.app import create_app

pytestmark = pytest.mark.one_database

SECRET: Final = "correct-horse-battery-staple"
FILE: Final = f"""
[node]
name = "capture1"
[senders]
passwords = ["edge:{SECRET}", "{SECRET}"]
[web]
metrics_token = "{SECRET}"
[backends]
grafana_token = "{SECRET}"
[oauth2]
client_secret = ["sso={SECRET}"]
[retention]
call = "14d"
"""


class Told(NamedTuple):
    """What the API has told, and of what."""

    settings: Settings
    text: str
    by_key: dict[str, dict[str, Any]]


@pytest.fixture
async def told(database: Database, tmp_path: Path) -> Told:
    """Of a file and an environment with secrets in them."""
    file = tmp_path / "kemiscope.toml"
    file.write_text(FILE)
    environ = {
        "KEMISCOPE_DATABASE_READER_DSN": database.reader_dsn,
        "KEMISCOPE_TRACE_TOKEN": SECRET,
        "KEMISCOPE_WEB_MAX_ROWS": "77",
    }
    settings, origins = load_with_origins(file, environ)
    app = create_app(settings, origins, watch_proxies=False)
    with local_token(settings, [Scope.ADMIN]) as token:
        async with TestClient(TestServer(app)) as client:
            answer = await client.get("/api/v1/settings", headers={**token, "Host": HOST})
            assert answer.status == 200
            found = await answer.json()
            by_key = {setting["key"]: setting for setting in found["settings"]}
            assert found["file"] == str(file)
            return Told(settings, await answer.text(), by_key)


async def test_no_secret_is_told(told: Told) -> None:
    """Neither in a list nor in a DSN; that there is one is no secret."""
    password = str(conninfo_to_dict(told.settings.database.reader_dsn)["password"])
    for secret in (SECRET, password):
        assert secret not in told.text
    assert told.by_key["senders.passwords"]["value"] == ["edge:***", "***"]
    assert told.by_key["web.metrics_token"]["text"] == '"***"'
    assert "password=***" in told.by_key["database.reader_dsn"]["value"]
    assert told.by_key["loki.token"]["value"] == ""


async def test_every_setting_says_where_it_comes_from(told: Told) -> None:
    """All of them, in the order of the file."""
    assert list(told.by_key) == [setting.key for setting in describe()]
    origins = {key: one["origin"] for key, one in told.by_key.items()}
    assert origins["retention.call"] == "file"
    assert origins["web.max_rows"] == "environment"
    assert origins["web.listen"] == "default"
    assert set(origins.values()) == {"file", "environment", "default"}


async def test_values_are_as_in_the_file(told: Told) -> None:
    """For people with the unit that is written there, for programs as a number."""
    call = told.by_key["retention.call"]
    assert (call["value"], call["text"]) == (14 * 86_400, '"14d"')
    assert told.by_key["web.max_rows"]["text"] == "77"
    assert told.by_key["web.max_rows"]["default"] == "1000"
    assert told.by_key["web.max_rows"]["variable"] == "KEMISCOPE_WEB_MAX_ROWS"
