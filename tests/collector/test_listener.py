# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TCP against real sockets and a real journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.causes import Cause
from collector.journal import record, segment
from collector.journal.counters import Counters, cause_counts
from collector.journal.record import Transport
from collector.journal.writer import Writer
from collector.listener import Listener
from collector.settings import Settings, load
from collector.settings.endpoint import Endpoint
from stack.ports import free_port
from tests.fix_journal import OpenWriter
from tests.sip_text import packet, request


class Server:
    """A listener on a free port."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self.port = free_port()
        self.writer = writer
        self.listener = Listener(settings, writer)
        self._stop = asyncio.Event()
        endpoint = Endpoint("tcp", "127.0.0.1", self.port)
        self._task = asyncio.create_task(self.listener.serve([endpoint], self._stop))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it."""
        for _ in range(100):
            try:
                return await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
        raise TimeoutError

    async def end(self) -> None:
        """Stop as after SIGTERM."""
        self._stop.set()
        await self._task


@pytest.fixture
def environment(journal: Path) -> dict[str, str]:
    """Settings of the listener."""
    return {
        "KEMISCOPE_CONFIG": "/dev/null",
        "KEMISCOPE_JOURNAL_DIRECTORY": str(journal),
        "KEMISCOPE_HEP_MAX_CONNECTIONS": "3",
        "KEMISCOPE_HEP_IDLE_TIMEOUT": "1s",
    }


@pytest.fixture
async def server(environment: dict[str, str], open_writer: OpenWriter) -> AsyncIterator[Server]:
    """A listener with room for three connections and a second of patience."""
    opened = Server(load(None, environment), open_writer())
    yield opened
    await opened.end()


def journaled(journal: Path) -> list[record.Record]:
    """All records on disk."""
    found = []
    for directory in segment.slot_directories(journal):
        for item in segment.in_slot(directory):
            data = item.path.read_bytes()
            offset = segment.HEADER_BYTES
            while (entry := record.unpack(data, offset)) is not None:
                found.append(entry)
                offset = entry.end
    return found


async def until_journaled(journal: Path, count: int) -> list[record.Record]:
    """Wait for so many records."""
    async with asyncio.timeout(10):
        while True:
            found = journaled(journal)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)


async def test_packets_are_journaled_with_their_peer(server: Server, journal: Path) -> None:
    """Also when they come byte by byte, or a thousand at once."""
    packets = [packet(request(number=number + 1)) for number in range(1003)]
    _, writer = await server.connect()
    for byte in b"".join(packets[:3]):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"".join(packets[3:]))
    await writer.drain()
    found = await until_journaled(journal, 1003)
    assert [entry.packet for entry in found] == packets
    assert {entry.transport for entry in found} == {Transport.TCP}
    assert {record.format_address(entry.peer) for entry in found} == {"127.0.0.1"}
    assert found[0].port == writer.get_extra_info("sockname")[1]
    writer.close()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", Cause.NOT_HEP),
        (b"HEP3\x00\x05rest", Cause.HEP_LENGTH),
        (b"\x02\x10\x02\x11" + bytes(40), Cause.NOT_HEP),
    ],
)
async def test_a_bad_frame_closes_the_connection_once(
    server: Server, journal: Path, data: bytes, cause: Cause
) -> None:
    """What came before it is kept, the reason is counted once, others go on."""
    good = packet(request())
    reader, writer = await server.connect()
    _, other = await server.connect()
    writer.write(good + data + good)
    assert await reader.read() == b""
    other.write(good)
    found = await until_journaled(journal, 2)
    assert [entry.packet for entry in found] == [good, good]
    counters = Counters(journal)
    assert cause_counts(counters.slot(server.writer.slot)) == {cause: 1}
    counters.close()
    for stream in (writer, other):
        stream.close()


async def test_too_many_connections_are_refused(server: Server) -> None:
    """The fourth is closed at once, and when one ends there is room again."""
    streams = [await server.connect() for _ in range(3)]
    reader, writer = await server.connect()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    streams[0][1].close()
    async with asyncio.timeout(5):
        while len(server.listener.connections) == 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    reader, writer = await server.connect()
    await asyncio.sleep(0.05)
    assert len(server.listener.connections) == 3
    writer.close()
    for _, stream in streams:
        stream.close()


async def test_a_silent_connection_is_closed(server: Server) -> None:
    """Half-open peers do not hold places for ever; one that speaks stays."""
    silent, silent_writer = await server.connect()
    speaking, speaking_writer = await server.connect()
    closed = asyncio.create_task(silent.read())
    while not closed.done():
        speaking_writer.write(packet(request()))
        await asyncio.sleep(0.1)
    assert not speaking.at_eof()
    for stream in (silent_writer, speaking_writer):
        stream.close()


async def test_a_full_journal_makes_the_sender_wait(
    environment: dict[str, str], open_writer: OpenWriter, journal: Path
) -> None:
    """Nothing is dropped: reading pauses, and goes on when there is room."""
    writer = open_writer(segment_bytes=1 << 16, max_bytes=1 << 17)
    server = Server(load(None, environment), writer)
    packets = [packet(request(number=number + 1, body=b"x" * 1000)) for number in range(400)]
    _, stream = await server.connect()
    stream.write(b"".join(packets))
    taken: list[bytes] = []
    async with asyncio.timeout(20):
        while len(taken) < len(packets):
            # What a reader does: take a segment that the writer has ended, and delete it.
            ended = segment.in_slot(journal / f"{writer.slot:02d}")[:-1]
            for found in ended:
                assert found.records is not None
                data, offset = found.path.read_bytes(), segment.HEADER_BYTES
                while (entry := record.unpack(data, offset)) is not None:
                    taken.append(entry.packet)
                    offset = entry.end
                found.path.unlink()
            if len(taken) + len(journaled(journal)) == len(packets):
                break
            await asyncio.sleep(0.01)
    assert [*taken, *(entry.packet for entry in journaled(journal))] == packets
    counters = Counters(journal)
    assert cause_counts(counters.slot(writer.slot)) == {}
    counters.close()
    stream.close()
    await server.end()
