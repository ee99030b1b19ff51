# SPDX-License-Identifier: GPL-2.0-or-later
"""The first settings file of a stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector import settings
from collector.settings.trace import MIN_TOKEN
from stack.instance import Instance
from stack.ports import free_port


def test_the_first_settings_have_a_token_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by chance, readable by its owner only, and taken; a second start leaves it alone."""
    for name in [name for name in os.environ if name.startswith("KEMISCOPE_")]:
        monkeypatch.delenv(name)
    tokens = set()
    for number in range(2):
        config = tmp_path / f"{number}.toml"
        instance = Instance(tmp_path / f"var{number}", config, free_port())
        instance.prepare()
        assert config.stat().st_mode & 0o777 == 0o600
        text = config.read_text()
        instance.prepare()
        assert config.read_text() == text
        token = settings.load(config, {}).web.change_token
        assert len(token) >= 2 * MIN_TOKEN
        tokens.add(token)
    assert len(tokens) == 2
