# SPDX-License-Identifier: GPL-2.0-or-later
"""How findings are shown."""

from __future__ import annotations

import pytest

from collector.doctor.finding import Finding, Level, ago, report, span


def test_a_report_is_aligned_and_names_each_check_once() -> None:
    """What was found, and below it what to do."""
    text = report(
        [
            Finding("sockets", Level.OK, "udp:127.0.0.1:9060 listens"),
            Finding("sockets", Level.FAIL, "tcp:127.0.0.1:9060: nobody listens", "start it"),
            Finding("journal", Level.NOTE, "empty"),
        ]
    )
    assert text.splitlines() == [
        "sockets     ok    udp:127.0.0.1:9060 listens",
        "            fail  tcp:127.0.0.1:9060: nobody listens",
        "                  → start it",
        "journal     note  empty",
    ]


def test_nothing_in_it_is_acted_on_by_a_terminal() -> None:
    """Names of senders and messages of servers are somebody else's text."""
    text = report([Finding("senders", Level.OK, "\x1b[2Jnode\r\n", "do\x07 it")])
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0.0 s"), (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1.0 min"), (90, "1.5 min")),
        *((3600, "1.0 h"), (86_399, "24.0 h"), (86_400, "1.0 d"), (1_000_000, "11.6 d")),
    ],
)
def test_spans_of_time(seconds: float, text: str) -> None:
    """As people say them."""
    assert span(seconds) == text
    assert ago(seconds) == f"{text} ago"


def test_the_future_is_told_as_such() -> None:
    """A clock may be ahead."""
    assert ago(-120) == "2.0 min in the future"
