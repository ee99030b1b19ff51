# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector doctor`` as a whole, without anything running."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from collector import doctor, settings
from collector.settings import Settings
from stack.ports import free_port


def _settings(journal: Path) -> Settings:
    return settings.load(
        None,
        {
            "KEMISCOPE_CONFIG": os.devnull,
            "KEMISCOPE_JOURNAL_DIRECTORY": str(journal),
            "KEMISCOPE_HEP_LISTEN": f"udp:127.0.0.1:{free_port()}",
        },
    )


def test_it_says_what_is_missing_and_fails(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of a packet's way."""
    assert doctor.run(_settings(journal), as_json=False) == 1
    text = capsys.readouterr().out
    places = [
        text.index(word)
        for word in (
            *("nobody listens", "no UDP worker runs", "no ingest process runs"),
            *("none has ever arrived", "dropped no datagram", "0 packets wait"),
            *("database.dsn is empty", "none is known"),
        )
    ]
    assert places == sorted(places)


def test_the_same_as_json(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    assert doctor.run(_settings(journal), as_json=True) == 1
    findings = json.loads(capsys.readouterr().out)
    assert {tuple(finding) for finding in findings} == {("check", "level", "text", "advice")}
    assert [finding["check"] for finding in findings if finding["level"] == "fail"] == [
        *("sockets", "processes", "processes", "database")
    ]


def test_a_journal_that_cannot_be_used_is_a_finding(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a trace."""
    journal.touch()
    assert doctor.run(_settings(journal), as_json=False) == 1
    text = capsys.readouterr().out
    assert f"journal.directory {journal}" in text
    assert "check that this user may use the directory" in text
