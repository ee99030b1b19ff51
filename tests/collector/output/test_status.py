# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be seen of the outputs: in the database, in the doctor's report."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import settings
from collector.balance import publish
from collector.doctor.finding import Level
from collector.doctor.node import check_outputs
from collector.journal import links
from collector.journal.counters import Counters
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from collector.output.running import run_outputs
from collector.output.standing import read
from collector.output.status import Publisher
from stack.ports import free_port
from tests.fix_journal import OpenWriter, append
from tests.fix_output import OutputTrial, until

WIDE = 1 << 30


def _deliver(backlog: Backlog, count: int, fates: dict[Fate, int]) -> None:
    portion = backlog.read()
    assert portion
    assert len(portion.records) == count
    backlog.commit(portion, fates)
    backlog.save()


def test_waiting_and_size_are_known_without_the_process(
    open_writer: OpenWriter, journal: Path
) -> None:
    """From the numbers of the journal, the state file and the links."""
    counters = Counters(journal)
    assert read(journal, counters) == []
    writer = open_writer(segment_bytes=1 << 16, outputs={"a": WIDE, "b": WIDE})
    append(writer, *[bytes(100)] * 10)
    backlog = Backlog(journal, "a", counters, "tcp:a:1")
    _deliver(backlog, 10, {Fate.DELIVERED: 9, Fate.TYPE: 1})
    append(writer, *[bytes(100)] * 5)
    backlog.failed("Connection refused")
    backlog.save()
    a, b = read(journal, counters)
    assert (a.name, a.waiting, a.running, a.state.target) == ("a", 5, False, "tcp:a:1")
    assert (b.name, b.waiting, b.state.fates) == ("b", 15, {})
    assert a.octets == b.octets > 15 * 140
    assert a.state.last_error == "Connection refused"
    assert a.state.fates == {Fate.DELIVERED: 9, Fate.TYPE: 1}
    backlog.close()
    counters.close()


async def test_the_database_has_what_the_outputs_say(
    open_writer: OpenWriter, journal: Path, connection: AsyncConnection[TupleRow]
) -> None:
    """Every second anew; an output that is gone is gone there too."""
    counters = Counters(journal)
    writer = open_writer(outputs={"a": WIDE})
    append(writer, *[b"x"] * 10)
    backlog = Backlog(journal, "a", counters, "tcp:a:1")
    backlog.connected()
    _deliver(backlog, 10, {Fate.DELIVERED: 7, Fate.REFUSED: 3})
    await publish(connection, counters, journal, "n")
    publisher = Publisher(journal, counters)
    lock = os.open(journal / links.DIRECTORY, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    await publisher.publish(connection)
    await publisher.publish(connection)
    found = await connection.execute(
        "SELECT output, target, running, connected, waiting, waiting_octets > 0,"
        " now() - last_success_at < interval '1 minute', last_failure_at, last_error"
        " FROM output_state"
    )
    assert await found.fetchall() == [("a", "tcp:a:1", True, True, 0, True, True, None, "")]
    found = await connection.execute("SELECT fate, records FROM output_balance ORDER BY fate")
    assert await found.fetchall() == [("delivered", 7), ("refused", 3)]
    os.close(lock)
    await publisher.publish(connection)
    found = await connection.execute("SELECT running, connected FROM output_state")
    assert await found.fetchall() == [(False, False)]
    writer.close()
    open_writer(outputs={}).close()
    await publisher.publish(connection)
    found = await connection.execute("SELECT FROM output_state")
    assert found.rowcount == 0
    backlog.close()
    counters.close()


def test_the_doctor_says_what_is_wrong(open_writer: OpenWriter, journal: Path) -> None:
    """No process, a receiver that is away, records that are gone; nothing without outputs."""
    counters = Counters(journal)
    plain = settings.load(None, {"KEMISCOPE_CONFIG": os.devnull})
    assert list(check_outputs(plain, counters)) == []
    loaded = settings.load(
        None,
        {
            "KEMISCOPE_CONFIG": os.devnull,
            "KEMISCOPE_JOURNAL_DIRECTORY": str(journal),
            "KEMISCOPE_RELAY_TARGETS": "tcp:a.example.com:1,udp:10.0.0.1:2",
        },
    )
    findings = list(check_outputs(loaded, counters))
    assert [finding.level for finding in findings] == [Level.FAIL, Level.WARN, Level.WARN]
    assert "collector output" in findings[0].advice
    assert "nothing was linked yet" in findings[1].text

    names = ["relay-tcp-a.example.com-1", "relay-udp-10.0.0.1-2"]
    append(open_writer(outputs=dict.fromkeys(names, WIDE)), *[b"x"] * 10)
    backlogs = [Backlog(journal, name, counters) for name in names]
    backlogs[0].failed("Connection refused")
    backlogs[1].connected()
    _deliver(backlogs[1], 10, {Fate.DELIVERED: 6, Fate.BACKLOG: 4})
    backlogs[0].save()
    lock = os.open(journal / links.DIRECTORY, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    found = [(item.level, item.text, item.advice) for item in check_outputs(loaded, counters)]
    assert found[0] == (
        Level.WARN,
        "relay-tcp-a.example.com-1: 0 delivered, 10 wait",
        "Connection refused",
    )
    assert found[1][:2] == (
        Level.OK,
        "relay-udp-10.0.0.1-2: 6 delivered, 0 wait, the last 0.0 s ago",
    )
    assert found[2][0] is Level.WARN
    assert "4 backlog" in found[2][1]
    os.close(lock)
    for backlog in backlogs:
        backlog.close()
    counters.close()


async def test_a_fault_in_one_output_does_not_stop_the_others(
    output_trial: OutputTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises; it is tried again."""
    output_trial.configure(
        RELAY_TARGETS=f"udp:127.0.0.1:{free_port()}", METRICS_LISTEN=f"127.0.0.1:{free_port()}"
    )
    output_trial.send(100)
    relay, metrics = output_trial.make()
    faults = 0

    async def fail() -> None:
        nonlocal faults
        faults += 1
        raise ZeroDivisionError

    monkeypatch.setattr(relay, "session", fail)
    stopping = asyncio.Event()
    task = asyncio.create_task(run_outputs([relay, metrics], stopping))
    await until(lambda: metrics.backlog.state.fates == {Fate.DELIVERED: 100}, "the counts")
    await until(lambda: faults >= 2, "another attempt")
    assert "ZeroDivisionError" in relay.backlog.state.last_error
    stopping.set()
    await task
