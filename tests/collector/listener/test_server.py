# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TCP against real sockets and a real journal: framing, limits, who is let in."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from contextlib import suppress

import pytest

from collector.causes import Cause
from collector.journal import record, segment
from collector.journal.record import Transport
from collector.listener import server as module
from collector.listener.intake import READ_BYTES
from tests.fix_listener import Server, StartListener, until, until_closed
from tests.sip_text import packet, request


async def _is_refused(server: Server) -> None:
    """The next connection is closed at once, maybe before connect() has returned."""
    with suppress(ConnectionResetError):
        reader, _ = await server.connect()
        assert await until_closed(reader) == b""


async def test_every_split_point_of_a_packet(start_listener: StartListener) -> None:
    """Wherever the network cuts: the first part is there before the second is sent."""
    server = await start_listener("tcp")
    _, writer = await server.connect()
    await until(lambda: len(server.connections) == 1)
    (connection,) = server.connections
    sent = []
    length = len(packet(request(number=1000)))
    for split in range(1, length):
        sent.append(packet(request(number=1000 + split)))
        writer.write(sent[-1][:split])
        await until(lambda: connection.is_inside)
        writer.write(sent[-1][split:])
        await until(lambda: not connection.is_inside)
    found = await server.journaled(length - 1)
    assert [entry.packet for entry in found] == sent
    assert server.causes() == {}


async def test_byte_by_byte_then_a_thousand_at_once(start_listener: StartListener) -> None:
    """Each is journaled as it was sent, with its peer and how it came."""
    server = await start_listener("tcp")
    packets = [packet(request(number=number + 1)) for number in range(1003)]
    _, writer = await server.connect()
    for number, byte in enumerate(b"".join(packets[:3])):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.001 if number % 50 == 0 else 0)
    writer.write(b"".join(packets[3:]))
    await writer.drain()
    found = await server.journaled(1003)
    assert [entry.packet for entry in found] == packets
    assert {entry.transport for entry in found} == {Transport.TCP}
    assert {record.format_address(entry.peer) for entry in found} == {"127.0.0.1"}
    assert found[0].port == writer.get_extra_info("sockname")[1]


async def test_five_hundred_connections_at_once(start_listener: StartListener) -> None:
    """All send at the same time, in pieces; nothing is mixed up."""
    server = await start_listener("tcp")
    streams = await asyncio.gather(*(server.connect() for _ in range(500)))
    await until(lambda: len(server.connections) == 500)

    async def send(number: int, writer: asyncio.StreamWriter) -> list[bytes]:
        sent = [packet(request(call_id=f"{number}-{n}@many")) for n in range(5)]
        data = b"".join(sent)
        for begin in range(0, len(data), 397):
            writer.write(data[begin : begin + 397])
            await writer.drain()
            await asyncio.sleep(0)
        return sent

    sent = await asyncio.gather(*(send(n, stream[1]) for n, stream in enumerate(streams)))
    found = await server.journaled(2500)
    by_port: dict[int, list[bytes]] = {}
    for entry in found:
        by_port.setdefault(entry.port, []).append(entry.packet)
    ports = [writer.get_extra_info("sockname")[1] for _, writer in streams]
    assert [by_port[port] for port in ports] == sent
    for _, writer in streams:
        writer.close()
    await until(lambda: not server.connections)
    assert server.causes() == {}
    assert not server.listener._peers


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", Cause.NOT_HEP),
        (b"HEP3\x00\x05rest", Cause.HEP_LENGTH),
        (b"\x02\x10\x02\x11" + bytes(40), Cause.NOT_HEP),
    ],
)
async def test_a_bad_frame_closes_the_connection_once(
    start_listener: StartListener,
    caplog: pytest.LogCaptureFixture,
    data: bytes,
    cause: Cause,
) -> None:
    """What came before it is kept; the reason is counted once and logged once; others go on."""
    server = await start_listener("tcp")
    good = packet(request())
    reader, writer = await server.connect()
    _, other = await server.connect()
    for _ in range(2):
        writer.write(good + data + good)
        assert await until_closed(reader) == b""
        reader, writer = await server.connect()
    other.write(good)
    found = await server.journaled(3)
    assert [entry.packet for entry in found] == [good] * 3
    assert server.causes() == {cause: 2}
    assert server.refused() == {("127.0.0.1", cause): 2}
    lines = [entry.getMessage() for entry in caplog.records if "closed" in entry.getMessage()]
    assert len(lines) == 1, "one line per peer and interval"
    assert cause.help in lines[0]


async def test_too_many_connections_are_refused(start_listener: StartListener) -> None:
    """The fourth is closed at once, and when one ends there is room again."""
    server = await start_listener("tcp", HEP_MAX_CONNECTIONS=3)
    streams = [await server.connect() for _ in range(3)]
    await _is_refused(server)
    assert server.causes() == {Cause.STREAM_LIMIT: 1}
    assert server.refused() == {("127.0.0.1", Cause.STREAM_LIMIT): 1}
    streams[0][1].close()
    await until(lambda: len(server.connections) == 2)
    _, writer = await server.connect()
    writer.write(packet(request()))
    await server.journaled(1)


async def test_one_peer_has_a_limit_of_its_own(start_listener: StartListener) -> None:
    """So that one host cannot take all places; another address still finds one."""
    server = await start_listener("tcp", HEP_MAX_PEER_CONNECTIONS=2)
    for _ in range(2):
        await server.connect()
    await _is_refused(server)
    assert server.causes() == {Cause.STREAM_LIMIT: 1}
    _, other = await server.connect(local_addr=("127.0.0.2", 0))
    other.write(packet(request()))
    (only,) = await server.journaled(1)
    assert record.format_address(only.peer) == "127.0.0.2"


async def test_a_silent_connection_is_closed(start_listener: StartListener) -> None:
    """One that speaks stays; silence is nothing to count."""
    server = await start_listener("tcp", HEP_IDLE_TIMEOUT="1s")
    silent, _ = await server.connect()
    speaking, speaking_writer = await server.connect()
    closed = asyncio.create_task(until_closed(silent))
    while not closed.done():
        speaking_writer.write(packet(request()))
        await asyncio.sleep(0.1)
    assert not speaking.at_eof()
    assert server.causes() == {}


async def test_half_open_and_slow_peers_are_closed(start_listener: StartListener) -> None:
    """A packet must be complete in time, whether the rest comes slowly or not at all; a peer whose
    packets are cut by the network is neither.
    """
    server = await start_listener("tcp", HEP_PACKET_TIMEOUT="1500ms")
    good = packet(request())
    half, half_writer = await server.connect()
    slow, slow_writer = await server.connect()
    cut, cut_writer = await server.connect()
    half_writer.write(good + good[:100])
    rest = iter(good * 2)
    cut_writer.write(good[:50])
    ended = [asyncio.create_task(until_closed(reader)) for reader in (half, slow)]
    while not all(task.done() for task in ended):
        if not ended[1].done():
            slow_writer.write(bytes([next(rest)]))
        cut_writer.write(good[50:] + good[:50])
        await asyncio.sleep(0.05)
    assert not cut.at_eof()
    assert server.causes() == {Cause.STREAM_INCOMPLETE: 2}
    assert {entry.packet for entry in server.records()} == {good}


async def test_memory_is_bounded_by_one_packet_a_connection(
    start_listener: StartListener,
) -> None:
    """Hundreds of peers that never finish their largest possible packet hold that and no more."""
    server = await start_listener("tcp")
    unfinished = b"HEP3\xff\xff" + bytes(65_528)
    streams = await asyncio.gather(*(server.connect() for _ in range(100)))
    for _, writer in streams:
        writer.write(unfinished)
    await asyncio.gather(*(writer.drain() for _, writer in streams))
    await until(lambda: all(len(c._framer._rest) == 65_534 for c in server.connections))
    held = sum(sys.getsizeof(c._framer._rest) for c in server.connections)
    assert held < 100 * 2 * 65_536
    for _, writer in streams:
        writer.write(b"\0")
    await server.journaled(100)
    assert sum(sys.getsizeof(c._framer._rest) for c in server.connections) < 100 * 100


async def test_a_connection_that_ends_inside_a_packet_is_counted(
    start_listener: StartListener,
) -> None:
    """The sender believes that it was sent."""
    server = await start_listener("tcp")
    good = packet(request())
    _, writer = await server.connect()
    writer.write(good + good[:-1])
    writer.close()
    await until(lambda: server.causes() == {Cause.STREAM_INCOMPLETE: 1})
    assert [entry.packet for entry in server.records()] == [good]


async def test_a_full_journal_makes_the_sender_wait(start_listener: StartListener) -> None:
    """Nothing is dropped: reading pauses, however long, and goes on when there is room."""
    server = await start_listener(
        "tcp",
        writer={"segment_bytes": 1 << 16, "max_bytes": 1 << 17},
        HEP_PACKET_TIMEOUT="0.2s",
        HEP_IDLE_TIMEOUT="1s",
    )
    packets = [packet(request(number=number + 1, body=b"x" * 1000)) for number in range(1000)]
    _, writer = await server.connect()
    writer.write(b"".join(packets))
    # Longer than all times of a connection: it is not the sender who is slow.
    await asyncio.sleep(2)
    (connection,) = server.connections
    assert sum(map(len, connection._pending)) <= READ_BYTES + 65_535
    taken: list[bytes] = []

    def read_all() -> bool:
        # What a reader does: take the segments that the writer has ended, and delete them.
        for found in segment.in_slot(server.journal / f"{server.writer.slot:02d}")[:-1]:
            data, offset = found.path.read_bytes(), segment.HEADER_BYTES
            while (entry := record.unpack(data, offset)) is not None:
                taken.append(entry.packet)
                offset = entry.end
            found.path.unlink()
        return len(taken) + len(server.records()) == len(packets)

    await until(read_all)
    assert [*taken, *(entry.packet for entry in server.records())] == packets
    assert server.causes() == {}


async def test_what_found_no_room_before_the_end_is_counted(
    start_listener: StartListener,
) -> None:
    """Of a peer that has gone meanwhile as well."""
    server = await start_listener("tcp", writer={"segment_bytes": 1 << 16, "max_bytes": 1 << 16})
    packets = [packet(request(number=number + 1, body=b"x" * 1000)) for number in range(100)]
    _, writer = await server.connect()
    writer.write(b"".join(packets))
    await until(lambda: any(connection._pending for connection in server.connections))
    writer.close()
    await asyncio.sleep(0.3)
    (connection,) = server.connections
    waiting = len(connection._pending)
    await server.end()
    assert server.causes()[Cause.JOURNAL_FULL] >= waiting > 0


async def test_only_allowed_networks_may_connect(start_listener: StartListener) -> None:
    """Others are refused before they can send a byte, counted by peer, and logged once."""
    server = await start_listener("tcp", SENDERS_NETWORKS="127.0.0.2,192.0.2.0/24")
    for _ in range(3):
        await _is_refused(server)
    _, other = await server.connect(local_addr=("127.0.0.2", 0))
    other.write(packet(request()))
    (only,) = await server.journaled(1)
    assert record.format_address(only.peer) == "127.0.0.2"
    assert server.causes() == {Cause.SENDER_NETWORK: 3}
    assert server.refused() == {("127.0.0.1", Cause.SENDER_NETWORK): 3}


async def test_a_stream_that_is_too_fast_is_slowed_and_loses_nothing(
    start_listener: StartListener,
) -> None:
    """A second's worth at once, then no faster than the rate; another peer is not held up."""
    server = await start_listener("tcp", SENDERS_MAX_RATE=500)
    packets = [packet(request(number=number + 1)) for number in range(1500)]
    _, writer = await server.connect()
    began = asyncio.get_running_loop().time()
    writer.write(b"".join(packets))
    _, other = await server.connect(local_addr=("127.0.0.2", 0))
    other.write(packets[0])
    await until(lambda: "127.0.0.2" in {record.format_address(e.peer) for e in server.records()})
    assert len(server.records()) < 1500
    await server.journaled(1501)
    # 500 at once, and what one read takes at the end; the others at their rate.
    at_rate = len(packets) - 500 - READ_BYTES / len(packets[0])
    assert asyncio.get_running_loop().time() - began > at_rate / 500 - 0.1 > 0.5
    port = writer.get_extra_info("sockname")[1]
    assert [entry.packet for entry in server.records() if entry.port == port] == packets
    assert server.causes() == {}


async def test_accepting_goes_on_after_a_failure(
    start_listener: StartListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file descriptor left, for example: there may be one a moment later."""
    monkeypatch.setattr(module, "ACCEPT_PAUSE_S", 0.05)
    loop = asyncio.get_running_loop()
    failures: list[OSError] = [OSError(24, "Too many open files"), ConnectionAbortedError()]
    accept = loop.sock_accept

    async def sock_accept(listening: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop(0)
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", sock_accept)
    server = await start_listener("tcp")
    _, writer = await server.connect()
    writer.write(packet(request()))
    await server.journaled(1)
    assert not failures


async def test_a_port_that_is_taken_is_named(start_listener: StartListener) -> None:
    """The start ends there, with the address."""
    first = await start_listener("tcp")
    await first.connect()
    second = Server(first.journal, first.writer, ())
    second.ports = first.ports
    await second.start({"KEMISCOPE_CONFIG": "/dev/null", "KEMISCOPE_JOURNAL_DIRECTORY": "/tmp"})  # noqa: S108
    with pytest.raises(OSError, match=f"tcp:127.0.0.1:{first.ports['tcp']}"):
        await second.end()


def test_the_limit_of_open_files_is_raised_as_far_as_needed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Services often start with 1,024."""
    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: limits.append(both))
    module._allow_files(1000)
    assert limits == [(1024, 4096)]
    module._allow_files(2000)
    assert limits[1:] == [(2000, 4096)]
    module._allow_files(9000)
    assert limits[2:] == [(4096, 4096)]
    assert "hep.max_connections needs 9000" in caplog.text
