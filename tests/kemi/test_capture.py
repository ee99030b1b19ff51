# SPDX-License-Identifier: GPL-2.0-or-later
"""The KEMI script: every packet is journaled or counted, and nothing stops reception."""

from __future__ import annotations

import copy
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from collector import control, ingest, listener, service_manager
from collector.admission import refused
from collector.causes import Cause
from collector.errors import JournalError
from collector.journal import record, segment
from collector.journal.counters import Counters, Field, Role, cause_counts
from collector.journal.record import Record
from collector.log import LOGGER
from collector.watchdog import Watchdog
from tests.fake_ksr import FakeKamailio

Routes = Any
"""Kamailio's own class name is ``kamailio``; it comes out of a module that is loaded per test."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file with the journal in a directory of the test."""
    for name in list(os.environ):
        if name.startswith("KEMISCOPE_"):
            monkeypatch.delenv(name)
    path = tmp_path / "kemiscope.toml"
    path.write_text(
        '[journal]\ndirectory = "journal"\nmin_free_bytes = 0\nsegment_bytes = "1MiB"\n'
        # This process is that of all tests: it must not go before others.
        "[hep]\nnice = 0\n"
    )
    monkeypatch.setenv("KEMISCOPE_CONFIG", str(path))
    return path


@pytest.fixture
def routes(config: Path, capture_script: ModuleType) -> Iterator[Routes]:  # noqa: ARG001
    """The routes of a UDP worker."""
    made = capture_script.mod_init()
    assert made.child_init(1) == 0
    yield made
    if made._writer:
        made._writer.close()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Statuses with which the process would have ended."""
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    return statuses


def _journal(config: Path) -> Path:
    return config.parent / "journal"


def _records(config: Path) -> list[Record]:
    """All records of the first slot, in order."""
    found = []
    for item in segment.in_slot(_journal(config) / "00"):
        data = item.path.read_bytes()
        offset = segment.HEADER_BYTES
        while (one := record.unpack(data, offset)) is not None:
            found.append(one)
            offset = one.end
        assert offset == len(data)
    return found


def _counts(config: Path) -> tuple[int, int, dict[Cause, int]]:
    """Received, journaled and dropped by cause of the first slot."""
    counters = Counters(_journal(config))
    slot = counters.slot(0)
    found = (slot[Field.RECEIVED], slot[Field.JOURNALED], cause_counts(slot))
    slot.release()
    counters.close()
    return found


@pytest.mark.parametrize("size", [20, 1_000, 32_767, 32_768, 49_149, 49_150, 65_507])
def test_packets_of_every_size_are_journaled_with_their_peer(
    routes: Routes, ksr: FakeKamailio, config: Path, size: int
) -> None:
    """The route for large packets takes all, the other those up to 32,767 bytes."""
    ksr.packet = bytes(number % 251 for number in range(size))
    ksr.source_ip, ksr.source_port = "2001:db8::1", 50_999
    if size <= 32_767:
        assert routes.ksr_hep(None) == 1
    else:
        assert routes.ksr_hep_large(None) == 1
    (only,) = _records(config)
    assert only.packet == ksr.packet
    assert record.format_address(only.peer) == "2001:db8::1"
    assert only.port == 50_999
    assert only.transport == record.Transport.UDP
    assert _counts(config) == (1, 1, {})


def test_sip_at_the_hep_socket_is_journaled_too(
    routes: Routes, ksr: FakeKamailio, config: Path
) -> None:
    """It will be rejected as not HEP: counted there, with its sender, instead of vanishing."""
    ksr.packet = b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"
    assert routes.ksr_request_route(None) == 1
    ksr.packet = b"SIP/2.0 200 OK\r\n\r\n"
    assert routes.ksr_reply_route(None) == 1
    assert [one.packet[:7] for one in _records(config)] == [b"OPTIONS", b"SIP/2.0"]


def test_a_packet_that_kamailio_cannot_hand_over_is_counted(
    routes: Routes, ksr: FakeKamailio, config: Path
) -> None:
    """Too many NULs in too many bytes."""
    ksr.packet = bytes(49_150)
    assert routes.ksr_hep_large(None) == 1
    assert _counts(config) == (1, 0, {Cause.UNREADABLE: 1})


def test_a_fault_is_counted_and_logged_and_reception_goes_on(
    routes: Routes, ksr: FakeKamailio, config: Path
) -> None:
    """An unreadable peer address is such a fault; the next packet is taken as ever."""
    ksr.packet = b"x" * 40
    ksr.source_ip = None
    assert routes.ksr_hep(None) == 1
    assert routes.ksr_hep(None) == 1
    ksr.source_ip = "192.0.2.7"
    assert routes.ksr_hep(None) == 1
    assert _counts(config) == (3, 1, {Cause.KEMI_FAULT: 2})
    warnings = [text for level, text in ksr.logged if level == "warn"]
    assert len(warnings) == 1, "one line per cause and interval"
    assert "packet dropped: ValueError" in warnings[0]


def test_without_a_rule_for_senders_there_is_no_door(routes: Routes) -> None:
    """And nothing to pay for."""
    assert routes._door is None
    assert routes._rates is None
    assert routes._refused is None


def test_who_may_not_send_is_refused_and_not_even_read(
    config: Path, capture_script: ModuleType, ksr: FakeKamailio
) -> None:
    """Counted in the balance and by peer, logged once; others are journaled as ever."""
    with config.open("a") as file:
        file.write('[senders]\nnetworks = ["192.0.2.0/24"]\n')
    made = capture_script.mod_init()
    assert made.child_init(1) == 0
    ksr.packet = b"x" * 40
    ksr.source_ip = "203.0.113.9"
    for route in (made.ksr_hep, made.ksr_hep_large, made.ksr_request_route, made.ksr_reply_route):
        assert route(None) == 1
    assert set(ksr.asked) == {"$si"}
    ksr.source_ip = "192.0.2.7"
    assert made.ksr_hep(None) == 1
    assert [record.format_address(one.peer) for one in _records(config)] == ["192.0.2.7"]
    assert _counts(config) == (5, 1, {Cause.SENDER_NETWORK: 4})
    (only,) = refused.read(_journal(config))
    assert (record.format_address(only.peer), only.packets) == ("203.0.113.9", 4)
    lines = [text for level, text in ksr.logged if level == "warn"]
    assert lines == ["203.0.113.9 is refused: the peer is in none of senders.networks\n"]
    made._writer.close()


def test_who_sends_too_much_is_refused_over_all_workers(
    config: Path, capture_script: ModuleType, ksr: FakeKamailio
) -> None:
    """Workers are forked after the rates are made, so they share them."""
    with config.open("a") as file:
        file.write("[senders]\nmax_rate = 20\n")
    parent = capture_script.mod_init()
    workers = []
    for _ in range(2):
        worker = copy.copy(parent)
        assert worker.child_init(1) == 0
        workers.append(worker)
    ksr.packet = b"x" * 40
    for number in range(200):
        assert workers[number % 2].ksr_hep(None) == 1
    counters = Counters(_journal(config))
    journaled = sum(counters.slot(number)[Field.JOURNALED] for number in range(2))
    rejected = [cause_counts(counters.slot(n)).get(Cause.SENDER_RATE, 0) for n in range(2)]
    counters.close()
    # A little time goes by, in which a little more is allowed.
    assert 20 <= journaled <= 60
    assert journaled + sum(rejected) == 200
    assert all(rejected)
    (only,) = refused.read(_journal(config))
    assert only.packets == sum(rejected)
    for worker in workers:
        worker._writer.close()


def test_a_worker_has_neither_loop_nor_driver(config: Path) -> None:
    """Threads and event loops do not work there, and memory is shared better without them."""
    script = (
        "import sys; from types import ModuleType; fake = ModuleType('KSR');"
        "fake.__getattr__ = lambda name: print; sys.modules['KSR'] = fake;"
        "import kemi.capture as script; script.mod_init().child_init(1);"
        "print({'asyncio', 'psycopg', 'ssl', 'websockets'} & sys.modules.keys())"
    )
    config.write_text(config.read_text() + '[senders]\nnetworks = ["192.0.2.0/24"]\nmax_rate = 5\n')
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_full_journal_is_counted_by_cause_and_logged_once(
    routes: Routes, ksr: FakeKamailio, config: Path
) -> None:
    """The log names the limit."""
    writer = routes._writer
    writer._max_bytes = 0
    writer._offset = writer._segment_bytes
    ksr.packet = b"x" * 40
    for _ in range(3):
        assert routes.ksr_hep(None) == 1
    assert _counts(config) == (3, 0, {Cause.JOURNAL_FULL: 3})
    (warning,) = [text for level, text in ksr.logged if level == "warn"]
    assert "journal_full" in warning
    assert "journal.max_bytes" in warning


def test_many_peers_do_not_fill_the_memory(
    routes: Routes,
    ksr: FakeKamailio,
    capture_script: ModuleType,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The addresses known are bounded; what is journaled is right all the same."""
    monkeypatch.setattr(capture_script, "_MAX_PEERS", 3)
    ksr.packet = b"x" * 40
    hosts = [f"10.0.0.{number}" for number in (*range(8), 0, 7)]
    for host in hosts:
        ksr.source_ip = host
        routes.ksr_hep(None)
        assert len(routes._peers) <= 3
    assert [record.format_address(one.peer) for one in _records(config)] == hosts


@pytest.mark.parametrize("rank", [0, -1, -4])
def test_only_sip_workers_have_a_writer(
    config: Path, capture_script: ModuleType, ksr: FakeKamailio, rank: int
) -> None:
    """Main, timer and rtimer processes receive nothing; a stray call there does no harm."""
    routes = capture_script.mod_init()
    assert routes.child_init(rank) == 0
    ksr.packet = b"x" * 40
    assert routes.ksr_hep(None) == 1
    assert not _journal(config).exists()


def test_bad_settings_stop_the_start(
    config: Path, capture_script: ModuleType, ksr: FakeKamailio
) -> None:
    """Before Kamailio forks; each mistake is a line that names its setting, without a trace."""
    config.write_text("[hep]\nworkers = 0\n[ingest]\nprocesses = 99\n")
    with pytest.raises(SystemExit) as ended:
        capture_script.mod_init()
    assert ended.value.code == 1
    assert [level for level, _ in ksr.logged] == ["crit", "crit"]
    assert "hep.workers" in ksr.logged[0][1]
    assert "ingest.processes" in ksr.logged[1][1]


def test_an_unusable_journal_stops_the_worker_with_a_reason(
    config: Path, capture_script: ModuleType, ksr: FakeKamailio
) -> None:
    """A worker that cannot journal must not receive."""
    _journal(config).write_text("a file where the directory should be")
    assert capture_script.mod_init().child_init(1) == -1
    assert any(level == "crit" and "journal.directory" in text for level, text in ksr.logged)


@pytest.mark.parametrize("route", ["ksr_ingest", "ksr_listener"])
@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (None, 0, ""),
        (JournalError("all slots are taken"), 1, "cannot run: all slots are taken"),
        (OSError(98, "Address already in use"), 1, "Address already in use"),
        (RuntimeError("a bug"), 1, "RuntimeError: a bug"),
    ],
)
def test_a_service_process_ends_with_a_status_and_a_reason(
    config: Path,  # noqa: ARG001 (must be there first)
    capture_script: ModuleType,
    ksr: FakeKamailio,
    exits: list[int],
    monkeypatch: pytest.MonkeyPatch,
    route: str,
    error: Exception | None,
    status: int,
    word: str,
) -> None:
    """Kamailio ends when one of its processes does, so the log must say why."""
    ran: list[str] = []

    def work(name: str) -> Callable[..., None]:
        def run(*_arguments: object) -> None:
            ran.append(name)
            if error:
                raise error

        return run

    monkeypatch.setattr(ingest, "run", work("ksr_ingest"))
    monkeypatch.setattr(listener, "run", work("ksr_listener"))
    routes = capture_script.mod_init()
    # Kamailio's rtimer passes the name of the timer as a second argument.
    assert getattr(routes, route)(None, "timer") == 1
    assert ran == [route]
    assert exits == [status]
    assert word in "".join(text for _, text in ksr.logged)


def test_the_listener_has_a_writer_of_its_own_role(
    config: Path,
    capture_script: ModuleType,
    exits: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that `doctor` can tell the processes apart."""
    writers: list[Any] = []
    monkeypatch.setattr(listener, "run", lambda _settings, writer, _rates: writers.append(writer))
    capture_script.mod_init().ksr_listener(None)
    counters = Counters(_journal(config))
    assert counters.slot(writers[0].slot)[Field.ROLE] == Role.LISTENER
    counters.close()
    writers[0].close()
    assert exits == [0]


@pytest.mark.parametrize(
    ("level", "function"),
    [
        (logging.DEBUG, "dbg"),
        (logging.INFO, "notice"),
        (logging.WARNING, "warn"),
        (logging.ERROR, "err"),
        (logging.CRITICAL, "crit"),
    ],
)
def test_log_records_go_to_the_level_of_the_same_name(
    config: Path,  # noqa: ARG001 (must be there first)
    capture_script: ModuleType,
    ksr: FakeKamailio,
    level: int,
    function: str,
) -> None:
    """INFO is raised to NOTICE, since INFO is where the core talks about every packet."""
    capture_script.mod_init()
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.log(level, "first\nsecond")
    assert ksr.logged == [(function, "first\n"), (function, "second\n")]


def test_text_that_is_not_utf8_can_be_logged(
    config: Path,  # noqa: ARG001 (must be there first)
    capture_script: ModuleType,
    ksr: FakeKamailio,
) -> None:
    """A file name of other bytes in a message must not become a fault of its own."""
    capture_script.mod_init()
    LOGGER.error("%s", os.fsdecode(b"/journal/\xff"))
    assert ksr.logged == [("err", "/journal/?\n")]


def test_settings_reach_the_writer(config: Path, capture_script: ModuleType) -> None:
    """Each limit of the section journal arrives where it is used."""
    config.write_text(
        '[journal]\ndirectory = "j"\nsegment_bytes = "1MiB"\nsegment_seconds = "7s"\n'
        'max_bytes = "9MiB"\nmin_free_bytes = "5KiB"\n'
    )
    routes = capture_script.mod_init()
    routes.child_init(1)
    writer = routes._writer
    assert writer._segment_bytes == 1 << 20
    assert writer._segment_ns == 7 * 10**9
    assert writer._max_bytes == 9 << 20
    assert writer._min_free_bytes == 5 << 10
    assert writer._directory == config.parent / "j" / "00"
    writer.close()


def test_an_operator_asks_by_rpc(routes: Routes, ksr: FakeKamailio, config: Path) -> None:
    """Each command of the node has its function, and leaves its answer where RPC can read it."""
    for name in control.COMMANDS:
        assert getattr(routes, f"ksr_{name}")(None, "evrexec") == 1
        assert json.loads(ksr.shared["answer"])["command"] == name
    mapped = _journal(config) / "counters"
    mapped.rename(mapped.with_suffix(".mapped"))
    mapped.write_bytes(b"")
    assert routes.ksr_balance(None, "evrexec") == 1
    assert "wrong size" in json.loads(ksr.shared["answer"])["error"]


def test_the_service_manager_hears_of_a_node_that_works(
    config: Path,  # noqa: ARG001 (must be there first)
    capture_script: ModuleType,
    ksr: FakeKamailio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ready and alive while nothing hangs; a fault of the look itself is none of the node's."""
    told: list[str] = []
    monkeypatch.setattr(service_manager, "tell", lambda *states: told.extend(states))
    looks: list[Exception | str] = ["", "nobody takes them", RuntimeError("a bug")]

    def hung(_watchdog: Watchdog) -> str:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(Watchdog, "hung", hung)
    routes = capture_script.mod_init()
    assert routes.ksr_watchdog(None, "timer") == 1
    assert told == ["READY=1", "WATCHDOG=1"]
    routes.ksr_watchdog(None, "timer")
    assert told == ["READY=1", "WATCHDOG=1"]
    routes.ksr_watchdog(None, "timer")
    assert len(told) == 4
    logged = "".join(text for _, text in ksr.logged)
    assert "hangs: nobody takes them" in logged
    assert "a bug" in logged
