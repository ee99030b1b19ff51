# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines into a settings file that people keep."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from collector.errors import SettingsError
from collector.settings import write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[web]\nx = 1\n"),
        ("# mine\n", "# mine\n\n[web]\nx = 1\n"),
        ("[web]\ny = 2 # kept\n", "[web]\nx = 1\ny = 2 # kept\n"),
        ("[ web ] # here", "[ web ] # here\nx = 1"),
        ("[webs]\ny = 2\n", "[webs]\ny = 2\n\n[web]\nx = 1\n"),
    ],
)
def test_lines_go_below_their_section(before: str, after: str) -> None:
    """What is there stays, comments included."""
    assert write.add(before, {"web": ["x = 1"]}) == after
    assert tomllib.loads(after)["web"]["x"] == 1


def test_a_setting_that_is_there_is_not_added() -> None:
    """Twice is no TOML."""
    with pytest.raises(SettingsError, match="cannot be added"):
        write.add("[web]\nx = 2\n", {"web": ["x = 1"]})


def test_what_is_there() -> None:
    """By section and name."""
    assert write.present("a = 1\n[web]\nx = 1\n[database]\ny = 2\n", "f") == {"web.x", "database.y"}
    with pytest.raises(SettingsError, match="f: not TOML"):
        write.present("[", "f")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file behind it is written."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    write.save(link, "x")
    assert link.is_symlink()
    assert (tmp_path / "file").read_text() == "x"
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
