# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator tells running processes: pause, resume, rotate, balance."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from collector import __main__ as command
from collector import control
from collector.causes import Cause
from collector.doctor import node
from collector.doctor.finding import Level
from collector.journal import segment
from collector.journal.counters import Counters
from tests.collector.test_ingest import ingesting, stored, until
from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_journal import OpenWriter, append
from tests.sip_text import packet, request


async def test_nothing_is_stored_while_it_is_paused(
    database: Database, journal: Path, open_writer: OpenWriter, caplog: pytest.LogCaptureFixture
) -> None:
    """Packets go on into the journal; doctor says why; afterwards nothing is missing."""
    settings = load_settings(database, JOURNAL_DIRECTORY=str(journal))
    writer = open_writer()
    append(writer, packet(request(number=1)))
    async with ingesting(settings):
        await until(lambda: stored(database) == [1])
        since = control.pause(journal)["paused_since"]
        assert control.pause(journal)["paused_since"] == since, "the first one counts"
        await until(lambda: "paused by an operator" in caplog.text)
        append(writer, packet(request(number=2)), packet(request(number=3)))
        await asyncio.sleep(1)
        assert stored(database) == [1]
        counters = Counters(journal)
        findings = list(node.check_journal(settings, counters))
        counters.close()
        assert any(
            found.level is Level.WARN and "paused by an operator" in found.text
            for found in findings
        )
        assert control.resume(journal)["was_paused_since"] == since
        await until(lambda: stored(database) == [1, 2, 3])


def test_writers_begin_new_segments(journal: Path, open_writer: OpenWriter) -> None:
    """With their next packet, one time for each asking, and without losing one."""
    writer = open_writer()
    append(writer, b"a", b"b")
    control.rotate(journal)
    append(writer, b"c", b"d")
    assert writer.offer([b"e"], bytes(16), 1, 0) == 1
    control.rotate(journal)
    assert writer.offer([b"f", b"g"], bytes(16), 1, 0) == 2
    found = [(one.first_record, one.records) for one in segment.in_slot(journal / "00")]
    assert found == [(0, 2), (2, 3), (5, None)]


def test_a_writer_that_begins_later_need_not_rotate(journal: Path, open_writer: OpenWriter) -> None:
    """Its segment is new anyway."""
    Counters(journal).close()
    control.rotate(journal)
    append(open_writer(), b"a", b"b")
    assert len(segment.in_slot(journal / "00")) == 1


def test_the_balance_needs_no_database(journal: Path, open_writer: OpenWriter) -> None:
    """What was received is waiting, processed, or has its cause."""
    writer = open_writer()
    append(writer, b"a", b"b")
    for cause in (Cause.KEMI_FAULT, Cause.KEMI_FAULT, Cause.UNREADABLE):
        writer.drop(cause)
    sheet = control.sheet(journal)
    assert sheet["causes"] == {"kemi_fault": 2, "unreadable": 1}
    assert sheet["received"] == 5
    assert sheet["received"] == sheet["waiting"] + sheet["processed"] + sum(
        sheet["causes"].values()
    )


@pytest.mark.parametrize("name", ["pause", "resume", "rotate", "balance"])
def test_each_is_a_command(
    name: str, journal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That prints the answer as JSON."""
    monkeypatch.setenv("KEMISCOPE_JOURNAL_DIRECTORY", str(journal))
    assert command.main([name]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == control.COMMANDS[name](journal).keys()
