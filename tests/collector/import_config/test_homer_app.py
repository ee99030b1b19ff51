# SPDX-License-Identifier: GPL-2.0-or-later
"""webapp_config.json as settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from collector.errors import SettingsError
from collector.import_config import homer_app
from collector.import_config.document import Document
from collector.import_config.imported import STOCK_SECRETS, Imported

NAME = "webapp_config.json"
FILE = Path(__file__).parents[2] / "data" / NAME
TEXT = FILE.read_text()
OPTIONS = [option for option, _ in Document(TEXT, NAME).left()]


def _read(value: Any) -> Imported:
    return homer_app.read(json.dumps(value), NAME)


ALL = homer_app.read(TEXT, NAME)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_mapped_or_named_with_a_reason(option: str) -> None:
    """Nothing is passed over in silence; a section may stand for its options."""
    told = {name for origin in ALL.origins.values() for name in origin.split(", ")}
    told |= {name for names, _ in ALL.remarks for name in names.split(", ")}
    lower = {name.lower() for name in told}
    parts = option.split(".")
    assert any(".".join(parts[: n + 1]) in lower for n in range(len(parts)))


def test_nothing_of_the_fixture_is_unknown() -> None:
    """Each option has its own reason."""
    assert not [names for names, reason in ALL.remarks if "no option of" in reason]
    assert _read({"x": {"y": 1}}).remarks == [("x.y", "is no option of homer-app")]


def test_what_is_taken_over() -> None:
    """Value by value."""
    values = dict(ALL.values)
    dsn = conninfo_to_dict(values.pop("database.dsn"))
    assert dsn == {
        "host": "192.0.2.10",
        "port": "5433",
        "dbname": "homer_data",
        "user": "homer_user",
        "password": "s3cret of db",
        "sslmode": "verify-full",
        "connect_timeout": "7",
        "sslrootcert": "/etc/ssl/root.pem",
        "sslcert": "/etc/ssl/client.pem",
        "sslkey": "/etc/ssl/client.key",
    }
    assert values == {
        "web.listen": "127.0.0.1:9080",
        "web.tls_listen": "0.0.0.0:9443",
        "web.certificate": "/usr/local/homer/tls/cert.pem",
        "web.key": "/usr/local/homer/tls/key.pem",
        "tls.min_version": "1.3",
        "web.session_lifetime": 36000.0,
        "web.sign_in": "internal",
        "web.tshark": "/opt/bin/tshark",
        "backends.prometheus": "http://127.0.0.1:9090",
        "backends.prometheus_user": "p",
        "backends.prometheus_password": "prom s3cret",
        "backends.loki": "http://127.0.0.1:3100",
        "backends.loki_user": "l",
        "backends.loki_password": "loki s3cret",
        "backends.loki_template": '{job="x"} |~ "%callid%"',
        "backends.grafana": "http://127.0.0.1:3000",
        "backends.grafana_token": "grafana s3cret",
    }


@pytest.mark.parametrize("password", sorted(STOCK_SECRETS))
def test_a_well_known_password_is_left_out_and_named(password: str) -> None:
    """The setting comes without it."""
    found = _read({"database_data": {"n": {"user": "u", "pass": password, "host": "h"}}})
    assert "password" not in conninfo_to_dict(found.values["database.dsn"])
    assert "well-known" in dict(found.remarks)["database_data.n.pass"]


def test_several_databases_are_told() -> None:
    """The first one is taken, each other is named with what can be done."""
    (told,) = [text for names, text in ALL.remarks if names == "database_data.second"]
    assert "192.0.2.11" in told


def test_a_single_database_without_a_name() -> None:
    """Keys directly below database_data."""
    found = _read({"database_data": {"user": "u", "pass": "p", "name": "d", "host": "::1"}})
    assert conninfo_to_dict(found.values["database.dsn"]) == {
        "user": "u",
        "password": "p",
        "dbname": "d",
        "host": "::1",
        "sslmode": "disable",
    }


@pytest.mark.parametrize(
    ("http", "listen", "remarked"),
    [
        ({"host": "127.0.0.1", "port": "8080"}, "127.0.0.1:8080", False),
        ({"host": "localhost", "port": 8080}, "127.0.0.1:8080", False),
        ({"host": "::1", "port": 8080}, "[::1]:8080", False),
        ({"host": "", "port": 8080}, "127.0.0.1:8080", True),
        ({"host": "sip.example.com", "port": 8080}, None, True),
        ({"host": "0.0.0.0", "port": 80}, "127.0.0.1:80", True),
    ],
)
def test_it_listens_on_loopback_without_tls(
    http: dict[str, Any], listen: str | None, *, remarked: bool
) -> None:
    """HOMER's default listened everywhere."""
    found = _read({"http_settings": http})
    assert found.values.get("web.listen") == listen
    assert any(names.startswith("http_settings") for names, _ in found.remarks) is remarked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"auth_settings": {"token_expire": "soon s3cret"}}', "auth_settings.token_expire"),
        ('{"decoder_shark": {"active": "perhaps s3cret"}}', "true or false"),
        ('{"http_settings": {"port": ["s3cret"]}}', "a text"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    """Named, without the value: it may be a secret."""
    with pytest.raises(SettingsError, match=message) as caught:
        homer_app.read(text, NAME)
    assert "s3cret" not in str(caught.value)


def test_no_secret_is_printed() -> None:
    """Neither in the settings for a terminal nor in the report."""
    assert len(re.findall("s3cret", TEXT)) == 10
    assert "s3cret" not in ALL.toml(secrets=False)
    assert "s3cret" not in ALL.report()
