# SPDX-License-Identifier: GPL-2.0-or-later
"""One line per cause and interval, and nothing in a line that a terminal would act on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import log
from collector.log import LimitedLog, one_line


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 5.0

    def monotonic(self) -> float:
        """The time of the test."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The log's clock; it begins shortly after the machine was started."""
    made = Clock()
    monkeypatch.setattr(log, "time", made)
    return made


Lines = Callable[[], list[str]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """What was logged since the last call."""

    def take() -> list[str]:
        found = [entry.getMessage() for entry in caplog.records]
        assert {entry.levelname for entry in caplog.records} <= {"WARNING"}
        caplog.clear()
        return found

    return take


@pytest.mark.usefixtures("clock")
def test_the_first_of_a_kind_is_logged_at_once(lines: Lines) -> None:
    """Each key for itself, also when the machine has just started."""
    limited = LimitedLog()
    limited.warn("disk", "disk full")
    limited.warn("hook", "a bug")
    assert lines() == ["disk full", "a bug"]


def test_the_others_are_counted_until_the_interval_is_over(clock: Clock, lines: Lines) -> None:
    """The next line says how many there were."""
    limited = LimitedLog(60)
    for _ in range(5):
        limited.warn("disk", "disk full")
    clock.now += 59.9
    limited.warn("disk", "disk full")
    assert lines() == ["disk full"]
    clock.now += 0.1
    limited.warn("disk", "disk still full")
    assert lines() == ["disk still full (+5 like it)"]
    clock.now += 60
    limited.warn("disk", "and now")
    assert lines() == ["and now"]


def test_a_key_that_is_reset_is_logged_again(lines: Lines, clock: Clock) -> None:
    """The condition had ended, so this is a new one."""
    limited = LimitedLog()
    limited.warn("store", "away")
    limited.reset("store")
    limited.reset("never seen")
    limited.warn("store", "away again")
    assert lines() == ["away", "away again"]
    assert clock.now == 5.0


def test_keys_without_end_fill_neither_memory_nor_log(clock: Clock, lines: Lines) -> None:
    """Peers may be invented: beyond a thousand in an interval, one line stands for all others."""
    limited = LimitedLog(60)
    for number in range(3000):
        limited.warn(f"peer {number}", f"bad frame {number}")
        assert len(limited._last) <= 1001
    assert lines() == [f"bad frame {number}" for number in range(1001)]
    clock.now += 60
    limited.warn("peer 5000", "bad frame 5000")
    limited.warn("peer 0", "bad frame 0")
    assert lines() == ["bad frame 5000", "bad frame 0"]
    assert len(limited._last) == 2


def test_keys_that_are_logged_again_stay_while_older_ones_go(clock: Clock, lines: Lines) -> None:
    """What is suppressed stays suppressed however many other keys come."""
    limited = LimitedLog(60)
    limited.warn("first", "1")
    for number in range(999):
        clock.now += 0.001
        limited.warn(f"peer {number}", "bad frame")
    clock.now += 59.5
    limited.warn("first", "2")
    for number in range(600):
        clock.now += 0.001
        limited.warn(f"new peer {number}", "bad frame")
    limited.warn("first", "3")
    assert [line for line in lines() if not line.startswith("bad")] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode 🙂", "plain text, ünïcode 🙂"),
        ("two\nlines\r\n", "two lines  "),
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        ("bell\a null\0 tab\t", "bell  null  tab "),
        ("right-to-left \u202e override", "right-to-left   override"),
        ("\udcff surrogate", "  surrogate"),
        ("\u2028line separator", " line separator"),
        ("x" * 1001, "x" * 1000),
        ("", ""),
    ],
)
def test_lines_are_safe_to_show(text: str, shown: str) -> None:
    """Text may come from a packet or a server."""
    assert one_line(text) == shown


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    """That can also be written as UTF-8."""
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 1000
    line.encode()
