# SPDX-License-Identifier: GPL-2.0-or-later
"""-l -e -sl -p -n -fsize -fnum: where lines go, in every process of the agent."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import log
from agent.log import Log
from collector.log import LOGGER


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = (LOGGER.level, LOGGER.propagate, logging.raiseExceptions, list(LOGGER.handlers))
    yield
    for handler in list(LOGGER.handlers):
        LOGGER.removeHandler(handler)
        handler.close()
    LOGGER.setLevel(before[0])
    LOGGER.propagate, logging.raiseExceptions = before[1:3]
    for handler in before[3]:
        LOGGER.addHandler(handler)


def _lines(path: Path) -> list[str]:
    return [line.split(" ", 2)[-1] for line in path.read_text().splitlines()]


def test_the_level_of_l_counts(tmp_path: Path) -> None:
    """And the exit line is there at any level."""
    path = tmp_path / "heplify.log"
    chosen = Log("warning", path=path)
    LOGGER.info("not this")
    LOGGER.warning("but this")
    chosen.always("and this")
    assert _lines(path) == ["but this", "and this"]


def test_e_writes_to_stderr_and_to_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when a file or syslog is asked for."""
    path = tmp_path / "heplify.log"
    assert Log("info", stderr=True, syslog=True, path=path).is_stderr
    LOGGER.info("seen")
    assert capsys.readouterr().err.endswith(" INFO seen\n")
    assert not path.exists()


def test_a_file_that_cannot_be_written_gives_way_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Capturing goes on; a service starts in a directory that is not its own."""
    assert Log("info", path=tmp_path / "missing" / "heplify.log").is_stderr
    LOGGER.info("seen")
    first, second = capsys.readouterr().err.splitlines()
    assert "-p, -n:" in first
    assert "No such file or directory" in first
    assert second.endswith("seen")


def test_sl_without_a_syslog_gives_way_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container."""
    monkeypatch.setattr(log, "SYSLOG", tmp_path / "log")
    assert Log("info", syslog=True).is_stderr
    assert "-sl:" in capsys.readouterr().err


def test_files_are_rotated_by_fsize_and_fnum_kept(tmp_path: Path) -> None:
    """Every process writes on in the fresh file; no line is lost."""
    path = tmp_path / "heplify.log"
    chosen = Log("info", path=path, max_bytes=1000, files=2)
    written = 0
    for _ in range(5):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.read(reading, 1)
            chosen.forked()
            for number in range(written, written + 20):
                LOGGER.info("line %s of the child", number)
            os._exit(0)
        os.write(writing, b"x")
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
        written += 20
        LOGGER.info("line of the parent")
        chosen.rotate()
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["heplify.log", "heplify.log.1", "heplify.log.2"]
    expected = [f"line {number} of the child" for number in range(80, 100)]
    assert _lines(tmp_path / "heplify.log.1") == [*expected, "line of the parent"]


def test_a_process_follows_a_file_that_was_rotated(tmp_path: Path) -> None:
    """It was open in both when the parent renamed it."""
    path = tmp_path / "heplify.log"
    chosen = Log("info", path=path, max_bytes=10, files=1)
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    child = os.fork()
    if not child:
        chosen.forked()
        LOGGER.info("before")
        os.write(from_child, b"x")
        os.read(to_child, 1)
        LOGGER.info("after")
        os._exit(0)
    os.read(to_parent, 1)
    chosen.rotate()
    os.write(from_parent, b"x")
    os.waitpid(child, 0)
    for descriptor in (to_child, from_parent, to_parent, from_child):
        os.close(descriptor)
    assert _lines(tmp_path / "heplify.log.1") == ["before"]
    assert _lines(path) == ["after"]
