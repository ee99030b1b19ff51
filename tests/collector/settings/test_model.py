# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of settings: complete, limited, explained, and silent about secrets."""

from __future__ import annotations

import re

import msgspec
import pytest

from collector.row import MAX_FIELD_BYTES
from collector.settings import Settings
from collector.settings.model import Setting, describe
from collector.settings.storing import Database

ALL = {setting.key: setting for setting in describe()}


def test_every_field_of_every_section_is_in_the_list() -> None:
    """The list is made from the classes."""
    assert set(ALL) == {
        f"{section.name}.{field.name}"
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    }


@pytest.mark.parametrize("setting", describe(), ids=lambda setting: setting.key)
def test_every_setting_is_explained(setting: Setting) -> None:
    """A sentence that ends; a unit where it is a size or a time."""
    assert setting.help.endswith(".")
    assert setting.help[0].isupper()
    assert setting.variable == f"KEMISCOPE_{setting.section}_{setting.name}".upper()
    if setting.name.endswith("_bytes"):
        assert setting.unit == "bytes"
    if setting.name.endswith(("_seconds", "_interval", "_timeout")):
        assert setting.unit == "s"


@pytest.mark.parametrize("setting", describe(), ids=lambda setting: setting.key)
def test_every_number_has_limits_and_its_default_is_within(setting: Setting) -> None:
    """Nothing is unbounded: infinity and absurd times end in the settings, not in a process."""
    if setting.type not in ("integer", "number"):
        return
    assert setting.low is not None
    assert setting.high is not None
    lowest = -20 if setting.name == "nice" else 0
    assert lowest <= setting.low <= setting.default <= setting.high
    for value in (setting.low, setting.high):
        number = int(value) if setting.type == "integer" else float(value)
        assert msgspec.convert(number, setting.annotation) == number


def test_secrets_are_marked_and_have_no_default() -> None:
    """Whatever carries a password."""
    secrets = {key for key, setting in ALL.items() if setting.secret}
    assert secrets == {
        *("database.dsn", "database.reader_dsn", "senders.passwords"),
        *("relay.password", "loki.password", "loki.token", "trace.token", "web.metrics_token"),
        "sites.databases",
        *("ldap.bind_password", "http_auth.token", "oauth2.client_secret"),
        *("backends.prometheus_password", "backends.loki_password", "backends.grafana_token"),
    }
    assert not any(ALL[key].default for key in secrets)


def test_a_repr_shows_no_secret() -> None:
    """It may end up in a log or a trace, also as a part of something else."""
    dsn = "postgresql://writer:hunter2@db/kemiscope"
    database = Database(dsn=dsn, reader_dsn=dsn)
    for shown in (repr(database), str(Settings(database=database)), f"{[database]}"):
        assert "hunter2" not in shown
        assert dsn not in shown
        assert "***" in shown
    assert "connect_timeout=5.0" in repr(database)


def test_settings_cannot_be_changed() -> None:
    """They are read once."""
    with pytest.raises(AttributeError):
        Settings().hep.workers = 5  # type: ignore[misc]


def test_names_are_plain() -> None:
    """They are keys of TOML and parts of environment variables, which must not collide."""
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z_]*", key) for key in ALL)
    assert len({setting.variable for setting in describe()}) == len(ALL)


def test_a_column_value_fits_the_row_encoder() -> None:
    """The limit is stated in both places."""
    assert ALL["sip.max_field_bytes"].high == MAX_FIELD_BYTES
