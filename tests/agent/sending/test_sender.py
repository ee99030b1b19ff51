# SPDX-License-Identifier: GPL-2.0-or-later
"""The sender process: what comes first on a connection, reconnecting, names, TLS, the log."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.flags.options import Options, read_options
from agent.sending import sender
from agent.sending.journal import Journal
from agent.sending.message_log import line
from agent.sending.ping import ping
from bench import mix
from collector.hep import Hep, encode
from collector.journal.record import OTHER_PEER
from collector.journal.writer import Writer
from collector.output import datagram
from collector.output.output import LONGEST_PAUSE_S, Output
from stack.ports import free_port
from tests.fix_output import until
from tests.receivers import DatagramReceiver, Receiver, StreamReceiver, make_certificate

_PACKETS = mix.packets()


@pytest.fixture(autouse=True)
def _memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(sender, "NICENESS", 0)
    monkeypatch.setattr(datagram, "REFUSED_PAUSE_S", 0.2)


@contextmanager
def _sending(options: Options) -> Iterator[Writer]:
    """The sender at work in a thread, and the writer of a worker."""
    journal = Journal(options)
    writer = journal.writer()
    stop = os.pipe()
    ready = threading.Event()
    thread = threading.Thread(target=sender.run, args=(options, journal, stop[0], ready.set))
    thread.start()
    assert ready.wait(10)
    try:
        yield writer
    finally:
        os.close(stop[1])
        thread.join()
        os.close(stop[0])
        writer.close()
        journal.close()


def _send(writer: Writer, first: int, count: int) -> None:
    for number in range(first, first + count):
        assert writer.append(mix.fill(_PACKETS, number), OTHER_PEER, 0, 0) is None


def _receiver(kind: str, directory: Path) -> Receiver:
    if kind == "udp":
        return DatagramReceiver(free_port(socket.SOCK_DGRAM))
    return StreamReceiver(free_port(), make_certificate(directory) if kind == "tls" else None)


@pytest.mark.parametrize("kind", ["udp", "tcp", "tls"])
async def test_the_ping_comes_first_on_each_connection(kind: str, tmp_path: Path) -> None:
    """Before what has waited; without -skipverify no made-up certificate would be taken."""
    receiver = _receiver(kind, tmp_path)
    receiver.keep = True
    flags = ["-hs", f"localhost:{receiver.port}", "-nt", kind, "-skipverify", "-hp", "secret"]
    options = read_options(flags)
    with _sending(options) as writer:
        _send(writer, 0, 100)
        receiver.start()
        await until(lambda: len(receiver.numbers) == 100, "the packets")
        await asyncio.to_thread(receiver.end)
        _send(writer, 100, 100)
        await asyncio.sleep(0.3)
        receiver.start()
        await until(lambda: len(receiver.numbers) == 200, "the packets")
    receiver.stop()
    pings = [place for place, packet in enumerate(receiver.packets) if packet == ping(options)]
    assert pings == [0, 101]
    assert len(receiver.packets) == 202


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_the_replay_of_a_spool_respects_packet_boundaries(kind: str, tmp_path: Path) -> None:
    """heplify sends its whole file as one datagram, which no receiver understands."""
    receiver = _receiver(kind, tmp_path)
    receiver.keep = True
    receiver.start()
    packets = [mix.fill(_PACKETS, number) for number in range(300)]
    file = tmp_path / "HEP-Buffer.dump"
    file.write_bytes(b"".join(packets))
    flags = ["-hs", f"localhost:{receiver.port}", "-nt", kind]
    flags += ["-hep-buffer-activate", "-hep-buffer-file", str(file)]
    for _ in range(2):
        with _sending(read_options(flags)):
            await until(lambda: len(receiver.packets) == 300, "the packets")
    receiver.stop()
    assert receiver.packets == packets, "in order, and not again at the next start"


async def test_a_certificate_that_is_not_trusted_gets_nothing(tmp_path: Path) -> None:
    """Without -skipverify."""
    receiver = _receiver("tls", tmp_path)
    receiver.start()
    with _sending(read_options(["-hs", f"localhost:{receiver.port}", "-nt", "tls"])) as writer:
        _send(writer, 0, 10)
        await asyncio.sleep(1)
    receiver.stop()
    assert not receiver.numbers


async def test_a_name_is_looked_up_at_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server moved, or is known only later."""
    receiver = _receiver("tcp", Path())
    receiver.start()
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: int, **named: int) -> object:
        if host != "collector.example":
            return real(host, *arguments, **named)
        if not named.get("flags"):
            asked.append(host)
        if len(asked) < 3 or named.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1", *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with _sending(
        read_options(["-hs", f"collector.example:{receiver.port}", "-nt", "tcp"])
    ) as writer:
        _send(writer, 0, 10)
        await until(lambda: len(receiver.numbers) == 10, "the packets")
    receiver.stop()
    assert len(asked) == 3


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_reconnecting_backs_off_with_jitter(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """heplify tries again without a pause, all agents of a network at the same time."""
    monkeypatch.setattr(datagram, "PROBE_S", 0.02)
    port = free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    options = read_options(["-hs", f"127.0.0.1:{port}", "-nt", kind])
    journal = Journal(options)
    writer = journal.writer()
    _send(writer, 0, 1)
    pauses: list[list[float]] = []
    for _ in range(2):
        (output,) = sender.make_outputs(options, journal, journal._counters)
        pauses.append([])

        async def wait(self: Output, seconds: float) -> None:
            pauses[-1].append(seconds)
            if len(pauses[-1]) == 12:
                self.stopping.set()

        monkeypatch.setattr(Output, "wait", wait)
        await output.run()
        output.backlog.close()
    writer.close()
    journal.close()
    first, second = pauses
    assert all(0 < pause <= 1.3 * LONGEST_PAUSE_S for pause in first)
    assert first[0] < 1
    assert first[-1] > LONGEST_PAUSE_S / 2
    assert first != second


async def test_without_servers_messages_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """-hs "": each one a line."""
    caplog.set_level(logging.INFO)
    with _sending(read_options(["-hs", ""])) as writer:
        _send(writer, 0, 5)
        writer.append(b"not HEP", OTHER_PEER, 0, 0)
        await until(lambda: caplog.text.count("branch=z9hG4bK-") >= 5, "the lines")
    lines = [record.getMessage() for record in caplog.records]
    assert sum("INVITE sip:" in text for text in lines) >= 1
    assert all("\n" not in text and "\r" not in text for text in lines)


def test_hostile_text_is_escaped_in_the_log() -> None:
    """Control characters, line breaks and what is no text at all."""
    packet = Hep(
        *(3, 17, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]), 5060, 5070, 1, 2, 1, 2001),
        b"INVITE sip:a\x1b[2J\x00\xff\r\nForged: \xe2\x80\xae\n",
        correlation_id=b"a\nb",
        node_name=b"n\x07",
    )
    text = line(packet)
    assert text.isprintable()
    assert text.startswith(
        "1970-01-01T00:00:01.000002Z sip udp 192.0.2.1:5060 -> 192.0.2.2:5070 node n\\x07"
    )
    assert "Forged" in text
    assert encode(packet)
