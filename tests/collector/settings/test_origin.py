# SPDX-License-Identifier: GPL-2.0-or-later
"""Where each value comes from."""

from __future__ import annotations

from pathlib import Path

from collector.settings import load, load_with_origins
from collector.settings.model import describe
from collector.settings.origin import ALL_DEFAULT, Origin

BY_KEY = {setting.key: setting for setting in describe()}


def test_the_first_match_wins(tmp_path: Path) -> None:
    """Environment, file, default; one that says what the default is was still said there."""
    file = tmp_path / "kemiscope.toml"
    file.write_text('[hep]\nworkers = 4\n[web]\nmax_rows = 1000\nlisten = "127.0.0.1:1"\n')
    environ = {"KEMISCOPE_WEB_LISTEN": "127.0.0.1:2"}
    settings, origins = load_with_origins(file, environ)
    assert settings == load(file, environ)
    assert origins.path == file
    found = {key: origins.of(BY_KEY[key]) for key in BY_KEY}
    assert {key: origin for key, origin in found.items() if origin is not Origin.DEFAULT} == {
        "hep.workers": Origin.FILE,
        "web.max_rows": Origin.FILE,
        "web.listen": Origin.ENVIRONMENT,
    }


def test_nothing_given_is_all_default() -> None:
    """No file, no variable."""
    assert ALL_DEFAULT.path is None
    assert {ALL_DEFAULT.of(setting) for setting in describe()} == {Origin.DEFAULT}
