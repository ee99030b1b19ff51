# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector``: exit status and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.__main__ import main
from collector.settings import show

GOOD = '[database]\ndsn = "host=127.0.0.1 port=1 password=hunter2"\n[hep]\nworkers = 5\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good settings file."""
    path = tmp_path / "kemiscope.toml"
    path.write_text(GOOD)
    return path


def test_good_settings(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0."""
    assert main(["--config", str(config), "check-config"]) == 0
    assert capsys.readouterr().out == "the settings are good\n"


def test_bad_settings(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, and each mistake on a line of its own."""
    config.write_text("[hep]\nworkers = 0\nnothing = 1\n")
    assert main(["--config", str(config), "check-config"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{config}: hep.workers: expected int >= 1",
        f"{config}: hep.nothing: there is no such setting",
    ]


def test_the_settings_in_force(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the password."""
    assert main(["--config", str(config), "dump-config"]) == 0
    text = capsys.readouterr().out
    assert "workers = 5\n" in text
    assert "port=1" in text
    assert "hunter2" not in text


def test_the_settings_for_kamailio(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What kamailio.cfg includes."""
    assert main(["--config", str(config), "dump-config", "--kamailio"]) == 0
    assert "#!define HEP_WORKERS 5\n" in capsys.readouterr().out


def test_the_sample_needs_no_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a file that exists."""
    assert main(["--config", str(tmp_path / "missing"), "dump-config", "--sample"]) == 0
    assert capsys.readouterr().out == show.sample()


@pytest.mark.parametrize("command", ["init-db", "ingest", "retention"])
def test_what_needs_a_database_says_so(
    config: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """With the names of setting and variable."""
    config.write_text("")
    assert main(["--config", str(config), command]) == 1
    error = capsys.readouterr().err
    assert "database.dsn" in error
    assert "KEMISCOPE_DATABASE_DSN" in error


def test_a_database_that_is_away(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, no trace, no password."""
    assert main(["--config", str(config), "init-db"]) == 1
    error = capsys.readouterr().err
    assert "refused" in error
    assert "Traceback" not in error
    assert "hunter2" not in error


def test_doctor_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 when something failed."""
    assert main(["--config", str(config), "doctor", "--json"]) == 1
    assert {"check", "level", "text", "advice"} == set(json.loads(capsys.readouterr().out)[0])


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["dump-config", "--sample", "--kamailio"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, as everywhere."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m collector" in capsys.readouterr().err
