# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor makes of the balance and of the senders, and of a database that is away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector import settings
from collector.balance import Balance
from collector.causes import Cause
from collector.doctor import database
from collector.doctor.database import CLOCK_WARNING, Sender, check_balance, check_senders
from collector.doctor.finding import Level
from collector.journal.counters import Counters
from tests.fix_journal import OpenWriter, append
from tests.sip_text import packet, request


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """The counters of the test's journal."""
    opened = Counters(journal)
    yield opened
    opened.close()


def test_a_balance_that_is_closed() -> None:
    """Every column is shown; what was rejected is explained by cause."""
    sheet = Balance(
        *(2010, 5, 2000),
        {Cause.STORED: 1990, Cause.NOT_HEP: 7, Cause.KEEPALIVE: 3, Cause.KERNEL: 5},
    )
    total, rejected = check_balance(sheet)
    assert total.level is Level.OK
    assert total.text == (
        "2,010 received = 5 waiting + 1,990 stored + 3 filtered + 0 duplicate + 7 rejected + "
        "5 dropped"
    )
    assert (rejected.level, rejected.text) == (Level.WARN, f"7 not_hep: {Cause.NOT_HEP.help}")


@pytest.mark.parametrize("missing", [1, -1, 1000])
def test_a_balance_that_is_not_closed_is_a_bug(missing: int) -> None:
    """Packets without a fate, or with two."""
    (finding,) = check_balance(Balance(1000 + missing, 0, 1000, {Cause.STORED: 1000}))
    assert finding.level is Level.FAIL
    assert finding.text.endswith(f"+ {missing:,} unaccounted for")
    assert "report" in finding.advice


def _sender(**fields: object) -> Sender:
    values: dict[str, object] = {
        "peer": "192.0.2.1",
        "node": "edge-1",
        "version": 3,
        "packets": 1234,
        "rejected": 5,
        "last_seen": datetime.now(UTC) - timedelta(minutes=3),
        "clock_offset_us": -1500,
    }
    return Sender(**values | fields)  # type: ignore[arg-type]


def test_a_good_sender() -> None:
    """Who, what, how many, since when not, and with which clock."""
    (finding,) = check_senders([_sender()])
    assert finding.level is Level.OK
    assert finding.text == (
        "192.0.2.1 node edge-1 HEPv3: 1,234 packets, 5 rejected, last 3.0 min ago; clock -0.002 s"
    )


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (CLOCK_WARNING, None),
        (-CLOCK_WARNING, None),
        (CLOCK_WARNING + timedelta(microseconds=1), "its clock is 2.0 s ahead"),
        (timedelta(hours=-1), "its clock is 1.0 h behind"),
        (timedelta(days=20_000), "its clock is 20000.0 d ahead"),
    ],
)
def test_a_clock_that_is_off(offset: timedelta, text: str | None) -> None:
    """By more than two seconds; 1970 and 2099 included."""
    (finding,) = check_senders([_sender(clock_offset_us=offset // timedelta(microseconds=1))])
    if text is None:
        assert finding.level is Level.OK
    else:
        assert finding.level is Level.WARN
        assert finding.text.endswith(text)
        assert "NTP" in finding.advice


def test_something_that_is_not_hep() -> None:
    """A stranger at the port, or an agent at the wrong one."""
    (finding,) = check_senders([_sender(version=0, node="")])
    assert finding.level is Level.WARN
    assert "node ? not HEP" in finding.text


def test_nobody_sends() -> None:
    """That is a finding, too."""
    (finding,) = check_senders([])
    assert (finding.level, finding.text) == (Level.NOTE, "none is known")


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("", ["database.dsn is empty"]),
        ("host=127.0.0.1 port=1 connect_timeout=1", ["127.0.0.1", "refused"]),
    ],
)
async def test_without_a_database_the_journal_tells_who_sends(
    journal: Path, counters: Counters, open_writer: OpenWriter, dsn: str, words: list[str]
) -> None:
    """The question "why is there no data" is asked just then."""
    append(open_writer(), *[packet(request(), node_name=b"%d" % n) for n in range(30)])
    append(open_writer(), packet(request(), node_name=b"edge-9"), b"noise")
    loaded = settings.load(
        None,
        {
            "KEMISCOPE_CONFIG": os.devnull,
            "KEMISCOPE_JOURNAL_DIRECTORY": str(journal),
            "KEMISCOPE_DATABASE_DSN": dsn,
        },
    )
    away, *senders = await database.check(loaded, counters)
    assert len(senders) == 20
    senders = senders[:2]
    assert away.level is Level.FAIL
    assert all(word in away.text for word in words)
    assert ["edge-9" in finding.text for finding in senders] == [False, True]
    assert [finding.level for finding in senders] == [Level.WARN, Level.OK]
