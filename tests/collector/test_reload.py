# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that makes ingest read its settings again, and the answers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector import __main__ as command
from collector.journal.counters import Counters, Role, claim_slot
from collector.reload import Answer, leave, reload, withdraw
from collector.settings import Settings
from collector.settings.change import change
from collector.settings.sending import Relay
from collector.settings.web import Web


@pytest.fixture
def slot(journal: Path) -> Iterator[int]:
    """This process poses as an ingest process."""
    counters = Counters(journal)
    number, lock = claim_slot(counters, journal, Role.INGEST, time.time_ns())
    yield number
    os.close(lock)
    counters.close()


@pytest.fixture
def answering(slot: int, journal: Path) -> Iterator[list[Answer]]:
    """It gives the answers in this list, one for each signal."""
    answers: list[Answer] = []

    def answer(*_: object) -> None:
        if answers:
            leave(journal, slot, msgspec.structs.replace(answers.pop(0), at=time.time_ns()))

    before = signal.signal(signal.SIGHUP, answer)
    yield answers
    signal.signal(signal.SIGHUP, before)


def test_answers_come_back(answering: list[Answer], slot: int, journal: Path) -> None:
    """Each time the one to this signal, never an older one."""
    answering += [Answer(0, node=("journal.max_bytes",)), Answer(0, error="hook.file: no")]
    (first,) = reload(journal)
    (second,) = reload(journal)
    assert first
    assert first.node == ("journal.max_bytes",)
    assert second
    assert second.error == "hook.file: no"
    assert reload(journal, 0.2) == [None]
    withdraw(journal, slot)
    assert not list(journal.glob("reload-*"))


def test_nobody_is_there(journal: Path) -> None:
    """A slot whose process has gone is not asked."""
    counters = Counters(journal)
    _, lock = claim_slot(counters, journal, Role.INGEST, time.time_ns())
    os.close(lock)
    counters.close()
    assert reload(journal, 0.2) == []


def test_the_outputs_are_named_where_there_are_any() -> None:
    """They go by the filters that they started with."""
    web = Web(max_rows=5)
    for relay, outputs in ((Relay(), ()), (Relay(targets=("udp:192.0.2.1:9",)), ("sip.x",))):
        found = change(Settings(relay=relay), Settings(relay=relay), Settings(relay=relay, web=web))
        answer = Answer.to(found._replace(outputs=("sip.x",)))
        assert answer.outputs == outputs
        assert answer.web == ("web.max_rows",)


def test_what_the_command_prints(
    answering: list[Answer],
    journal: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status 0 when all have taken them over."""
    monkeypatch.setattr("collector.reload.ANSWER_S", 0.2)
    config = journal.parent / "kemiscope.toml"
    config.write_text(f'[journal]\ndirectory = "{journal}"\n')
    answering += [Answer(0, node=("relay.targets",), outputs=("sip.custom_headers",))]
    answering += [Answer(0, error="filter.discard_methods: no")]
    assert command.main(["--config", str(config), "reload"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 of 1 ingest processes read the settings again",
        "waits for a restart of the capture node: relay.targets",
        "waits for a restart of the capture node as far as outputs go by it: sip.custom_headers",
    ]
    assert command.main(["--config", str(config), "reload"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "0 of 1 ingest processes read the settings again",
        "nothing was changed: filter.discard_methods: no",
    ]
