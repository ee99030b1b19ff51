# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor sees on the host: sockets, processes, kernel, journal."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector import hop, settings
from collector.admission import refused
from collector.admission.refused import RefusedPeers
from collector.causes import Cause
from collector.doctor import node
from collector.doctor.finding import Finding, Level
from collector.journal import record, segment
from collector.journal.counters import Counters, Field, NodeField, Role, claim_slot
from collector.settings import Settings
from tests.fix_journal import PEER, Clock, OpenWriter, append, kill
from tests.sip_text import packet, request


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """The counters of the test's journal."""
    opened = Counters(journal)
    yield opened
    opened.close()


@pytest.fixture
def rmem_max(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's limit for socket buffers."""
    path = tmp_path / "rmem_max"
    path.write_text(f"{1 << 30}\n")
    monkeypatch.setattr(node, "RMEM_MAX", path)
    return path


def _settings(journal: Path, **environment: str) -> Settings:
    variables = {"CONFIG": os.devnull, "JOURNAL_DIRECTORY": str(journal), **environment}
    return settings.load(None, {f"KEMISCOPE_{name}": value for name, value in variables.items()})


def _levels(findings: list[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def _udp(host: str = "127.0.0.1") -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((host, 0))
    return opened


def _tcp() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.usefixtures("rmem_max")
def test_sockets_that_listen(journal: Path) -> None:
    """Out of the kernel's tables."""
    with _udp() as udp, _tcp() as tcp:
        udp_port, tcp_port = udp.getsockname()[1], tcp.getsockname()[1]
        listen = f"udp:127.0.0.1:{udp_port},tcp:127.0.0.1:{tcp_port}"
        findings = list(node.check_sockets(_settings(journal, HEP_LISTEN=listen)))
    assert [finding.text for finding in findings] == [
        f"udp:127.0.0.1:{udp_port} listens",
        f"tcp:127.0.0.1:{tcp_port} listens",
        "only packets of this host are taken",
    ]
    assert _levels(findings) == [Level.OK, Level.OK, Level.NOTE]


@pytest.mark.usefixtures("rmem_max")
def test_an_address_in_another_spelling_listens_too(journal: Path) -> None:
    """The settings may write IPv6 as they like."""
    try:
        opened = _udp("::1")
    except OSError as error:
        pytest.skip(f"::1 cannot be used here: {error}")
    with opened:
        listen = f"udp:[0:0:0:0:0:0:0:1]:{opened.getsockname()[1]}"
        findings = list(node.check_sockets(_settings(journal, HEP_LISTEN=listen)))
    assert _levels(findings) == [Level.OK, Level.NOTE]


@pytest.mark.usefixtures("rmem_max")
def test_sockets_that_do_not_listen(journal: Path) -> None:
    """With what to do."""
    with _udp() as udp, _tcp() as tcp:
        ports = udp.getsockname()[1], tcp.getsockname()[1]
    listen = f"udp:0.0.0.0:{ports[0]},tcp:0.0.0.0:{ports[1]}"
    findings = list(node.check_sockets(_settings(journal, HEP_LISTEN=listen)))
    assert _levels(findings) == [Level.FAIL, Level.FAIL]
    assert all("nobody listens" in finding.text and finding.advice for finding in findings)


def test_a_buffer_that_is_not_granted_is_told(journal: Path, rmem_max: Path) -> None:
    """With the command that changes it."""
    rmem_max.write_text("212992\n")
    findings = list(node.check_sockets(_settings(journal)))
    (buffer,) = [finding for finding in findings if "buffer" in finding.text]
    assert buffer.text == "the kernel grants 208KiB of the 16MiB buffer asked for"
    assert "net.core.rmem_max=16777216" in buffer.advice


def test_processes_that_live(journal: Path, counters: Counters, open_writer: OpenWriter) -> None:
    """Counted by role; the dead do not count. And the form of the hop is said."""
    open_writer()
    open_writer()
    kill(open_writer())
    _, lock = claim_slot(counters, journal, Role.INGEST, 1)
    findings = list(node.check_processes(_settings(journal), counters))
    assert [finding.text for finding in findings] == [
        *("2 UDP workers run", "1 ingest processes run", "the hop is compiled")
    ]
    assert _levels(findings) == [Level.OK, Level.OK, Level.OK]
    os.close(lock)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("it is not built", "install gcc and python3-dev"), ("", "restart the capture node")],
)
def test_a_hop_in_plain_python_is_told(
    journal: Path, counters: Counters, monkeypatch: pytest.MonkeyPatch, reason: str, advice: str
) -> None:
    """Why it is none that is compiled, or that another one has run since it was."""
    slot, lock = claim_slot(counters, journal, Role.INGEST, 1)
    counters.slot(slot)[Field.PLAIN_HOP] = 1
    monkeypatch.setattr(hop, "FORM", hop.FORM._replace(reason=reason))
    found = list(node.check_processes(_settings(journal), counters))[-1]
    assert found.level is Level.NOTE
    assert found.text.startswith("1 of them decode in plain Python")
    assert reason in found.text
    assert advice in found.advice
    os.close(lock)


def test_processes_that_do_not_live(
    journal: Path, counters: Counters, open_writer: OpenWriter
) -> None:
    """One finding for each kind that is missing."""
    kill(open_writer())
    findings = list(node.check_processes(_settings(journal), counters))
    assert _levels(findings) == [Level.FAIL, Level.FAIL]
    assert all(finding.advice for finding in findings)


def test_nobody_is_refused(journal: Path, counters: Counters) -> None:
    """Nothing is said then."""
    assert counters.used_slots() == []
    assert list(node.check_refused(_settings(journal))) == []


def test_who_is_refused(journal: Path, counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, and what to do if it should not be so; what is long past is a note."""
    assert counters.used_slots() == []
    clock = Clock(time.time_ns() - 3 * 86_400 * 10**9)
    monkeypatch.setattr(refused, "time", clock)
    peers = RefusedPeers(journal, 5)
    peers.count(record.OTHER_PEER, Cause.STREAM_LIMIT)
    clock.add(3 * 86_400 - 10)
    peers.count(PEER, Cause.SENDER_NETWORK)
    peers.count(PEER, Cause.SENDER_NETWORK)
    recent, old = node.check_refused(_settings(journal))
    assert recent.text == (
        "203.0.113.9: 2 sender_network, last 10.0 s ago: the peer is in none of senders.networks"
    )
    assert recent.level is Level.WARN
    assert "senders.networks" in recent.advice
    assert old.text.startswith("others: 1 stream_limit, last 3.0 d ago")
    assert old.level is Level.NOTE


def test_packets(counters: Counters, open_writer: OpenWriter) -> None:
    """Whether any has come, and what was dropped on the way into the journal."""
    (none,) = node.check_packets(counters)
    assert (none.level, none.text) == (Level.WARN, "none has ever arrived")
    assert "firewall" in none.advice
    writer = open_writer()
    append(writer, b"x")
    for _ in range(1234):
        writer.drop(Cause.DISK_FULL)
    counters.node[NodeField.KERNEL_DROPS] = 5
    last, dropped = node.check_packets(counters)
    assert last.level is Level.OK
    assert last.text.startswith("the last one arrived 0.")
    assert (dropped.level, dropped.text) == (
        *(Level.WARN, f"1,234 disk_full: {Cause.DISK_FULL.help}"),
    )


def test_kernel_drops(counters: Counters) -> None:
    """None, or how many and what to do."""
    (none,) = node.check_kernel(counters)
    assert none.level is Level.OK
    counters.node[NodeField.KERNEL_DROPS] = 12_345
    (some,) = node.check_kernel(counters)
    assert some.level is Level.WARN
    assert some.text.startswith("12,345 datagrams")
    assert "rmem_max" in some.advice


@pytest.mark.parametrize(
    ("max_bytes", "level"), [("1GiB", Level.OK), ("1500KiB", Level.WARN), ("1100KiB", Level.FAIL)]
)
def test_how_full_the_journal_is(
    journal: Path, counters: Counters, open_writer: OpenWriter, max_bytes: str, level: Level
) -> None:
    """More than half, more than nine tenths."""
    append(open_writer(segment_bytes=8 << 20), *[bytes(10_000)] * 103)
    counters.node[NodeField.PROCESSED] = 3
    found = _settings(journal, JOURNAL_MAX_BYTES=max_bytes, JOURNAL_SEGMENT_BYTES="64KiB")
    (finding,) = node.check_journal(found, counters)
    assert finding.level is level
    assert finding.text.startswith("about 100 packets wait; 1.0 MiB in use of ")
    assert bool(finding.advice) == (level is not Level.OK)


def test_a_pause_of_storing_is_told_while_something_waits(
    journal: Path, counters: Counters, open_writer: OpenWriter
) -> None:
    """And since when."""
    append(open_writer(), b"x")
    counters.slot(0)[Field.STORE_DOWN_SINCE] = time.time_ns() - 7200 * 10**9
    _, paused = node.check_journal(_settings(journal), counters)
    assert (paused.level, paused.text) == (
        *(Level.WARN, "storing has paused; it last worked 2.0 h ago"),
    )
    counters.node[NodeField.PROCESSED] = 1
    assert len(list(node.check_journal(_settings(journal), counters))) == 1


def test_damaged_segments_are_told(journal: Path, counters: Counters) -> None:
    """They are kept to be looked at."""
    (journal / "00").mkdir()
    (journal / "00" / f"x{segment.DAMAGED_SUFFIX}").touch()
    _, damaged = node.check_journal(_settings(journal), counters)
    assert damaged.text == f"1 damaged segments are kept in {journal}"


def _senders(journal: Path) -> dict[str, tuple[int, int]]:
    batch = node.recent_packets(_settings(journal))
    return {
        f"{record.format_address(peer)} {name.decode()} v{version}": (tally.packets, tally.rejected)
        for (peer, name, version), tally in batch.senders.items()
    }


def test_the_newest_packets_tell_who_sends(journal: Path, open_writer: OpenWriter) -> None:
    """Of every slot, whatever the database does."""
    assert _senders(_with(Counters, journal)) == {}
    append(open_writer(), packet(request(), node_name=b"edge"), b"noise", packet(b"", type=0))
    append(open_writer(), packet(request()))
    assert _senders(journal) == {
        "203.0.113.9 edge v3": (1, 0),
        "203.0.113.9  v0": (1, 1),
        "203.0.113.9 2001 v3": (2, 0),
    }


def _with(make: Any, journal: Path) -> Path:
    make(journal).close()
    return journal


def test_of_a_long_segment_the_end_is_read(journal: Path, open_writer: OpenWriter) -> None:
    """It begins in the middle of a record."""
    writer = open_writer(segment_bytes=64 << 20)
    append(writer, *[packet(request(), node_name=b"old")] * 10)
    append(writer, *[packet(request(body=bytes(9_000)), node_name=b"new")] * 50)
    ((name, (packets, rejected)),) = _senders(journal).items()
    assert name == "203.0.113.9 new v3"
    assert 20 < packets < 30
    assert rejected == 0


def test_a_segment_that_ends_meanwhile_is_passed_over(
    journal: Path, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name changes while the doctor looks."""
    writer = open_writer()
    assert writer.append(packet(request()), PEER, 1, 0) is None
    listed = {directory: segment.in_slot(directory) for directory in journal.glob("??")}
    writer.close()
    monkeypatch.setattr(segment, "in_slot", listed.__getitem__)
    assert _senders(journal) == {}
