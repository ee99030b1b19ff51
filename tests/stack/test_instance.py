# SPDX-License-Identifier: GPL-2.0-or-later
"""The first settings file of a stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector import settings
from stack.instance import Instance
from stack.ports import free_port


def test_the_first_settings_are_for_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have the passwords of the database; a second start leaves them alone."""
    for name in [name for name in os.environ if name.startswith("KEMISCOPE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # away from the settings of a `make run` in this tree
    passwords = set()
    for number in range(2):
        config = tmp_path / f"{number}.toml"
        instance = Instance(tmp_path / f"var{number}", config, free_port())
        instance.prepare()
        assert config.stat().st_mode & 0o777 == 0o600
        text = config.read_text()
        instance.prepare()
        assert config.read_text() == text
        loaded = settings.load(config, {})
        assert loaded.web.sign_in == "internal"
        passwords |= {loaded.database.dsn, loaded.database.reader_dsn}
    assert len(passwords) == 4
