# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over WebSocket: through aiohttp's client, and byte by byte as RFC 6455 has it."""

from __future__ import annotations

import asyncio
import os
import struct
from itertools import pairwise

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.causes import Cause
from collector.hep import MAX_PACKET
from collector.journal import record
from collector.journal.record import Transport
from collector.listener import connection as connection_module
from collector.listener.websocket import MAX_REQUEST, WebSocket
from tests.fix_listener import Certificates, Server, StartListener, until, until_closed
from tests.sip_text import packet, request

REQUEST = (
    b"GET /anything?at=all HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
"""With the key of RFC 6455 section 1.3."""
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
GOOD = packet(request())


def frame(payload: bytes, opcode: int = BINARY, *, fin: bool = True, key: bytes = b"") -> bytes:
    """A masked frame, as a client sends it."""
    key = key or os.urandom(4)
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = struct.pack(">BH", 0x80 | 126, size)
    else:
        length = struct.pack(">BQ", 0x80 | 127, size)
    masked = bytes(byte ^ key[n % 4] for n, byte in enumerate(payload))
    return bytes([fin << 7 | opcode]) + length + key + masked


async def _open(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await server.connect("ws")
    writer.write(REQUEST)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert ACCEPTED in answer
    return reader, writer


async def test_through_a_client(start_listener: StartListener) -> None:
    """Text and binary, small and large; pings are answered; the end is confirmed."""
    server = await start_listener("ws")
    large = packet(request(body=b"x" * 60_000))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.ports['ws']}/") as client,
    ):
        await client.send_bytes(GOOD)
        await client.send_str("HEP3 as text")
        await client.ping(b"still there?")
        await client.send_bytes(large)
        found = await server.journaled(3)
        assert client.protocol is None
        await client.close()
        assert client.close_code == 1000
    assert [entry.packet for entry in found] == [GOOD, b"HEP3 as text", large]
    assert {entry.transport for entry in found} == {Transport.WS}
    assert {record.format_address(entry.peer) for entry in found} == {"127.0.0.1"}
    await until(lambda: not server.connections)
    assert server.causes() == {}


async def test_over_tls(start_listener: StartListener, certificates: Certificates) -> None:
    """The same behind a handshake of TLS."""
    server = await start_listener("wss")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"https://127.0.0.1:{server.ports['wss']}/hep", ssl=certificates.trusting()
        ) as client,
    ):
        for _ in range(100):
            await client.send_bytes(GOOD)
        await server.journaled(100)
    assert {entry.transport for entry in server.records()} == {Transport.WS}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(("hep",), "hep"), (("other", "hep"), "hep"), (("other",), None), ((), None)],
)
async def test_the_subprotocol_hep_is_accepted_when_it_is_offered(
    start_listener: StartListener, offered: tuple[str, ...], chosen: str | None
) -> None:
    """And is not asked for: no sender is turned away for it."""
    server = await start_listener("ws")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.ports['ws']}/", protocols=offered) as client,
    ):
        assert client.protocol == chosen
        await client.send_bytes(GOOD)
        await server.journaled(1)


async def test_compression_is_not_agreed_to(start_listener: StartListener) -> None:
    """Then nobody can send a frame that is small here and huge there."""
    server = await start_listener("ws")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.ports['ws']}/", compress=15) as client,
    ):
        assert client.compress == 0
        await client.send_bytes(GOOD)
        await server.journaled(1)


async def test_every_split_point_of_a_frame(start_listener: StartListener) -> None:
    """Wherever the network cuts: the first part is there before the second is sent."""
    server = await start_listener("ws")
    _, writer = await _open(server)
    (connection,) = server.connections
    data = frame(GOOD)
    for split in range(1, len(data)):
        writer.write(data[:split])
        await until(lambda: connection.is_inside)
        writer.write(data[split:])
        await until(lambda: not connection.is_inside)
    found = await server.journaled(len(data) - 1)
    assert {entry.packet for entry in found} == {GOOD}
    assert len(found) == len(data) - 1


async def test_a_thousand_frames_at_once_and_behind_the_handshake(
    start_listener: StartListener,
) -> None:
    """A client may write before it has read our answer."""
    server = await start_listener("ws")
    packets = [packet(request(number=number + 1)) for number in range(1000)]
    reader, writer = await server.connect("ws")
    writer.write(REQUEST + b"".join(map(frame, packets)))
    await reader.readuntil(b"\r\n\r\n")
    found = await server.journaled(1000)
    assert [entry.packet for entry in found] == packets


async def test_a_ping_is_answered_with_its_payload(start_listener: StartListener) -> None:
    """Also between the fragments of a message; a pong that nobody asked for is nothing."""
    server = await start_listener("ws")
    reader, writer = await _open(server)
    writer.write(
        frame(GOOD[:100], fin=False)
        + frame(b"are you there", PING)
        + frame(b"", PONG)
        + frame(GOOD[100:200], CONTINUED, fin=False)
        + frame(GOOD[200:], CONTINUED)
    )
    assert await reader.readexactly(15) == bytes([0x80 | PONG, 13]) + b"are you there"
    (only,) = await server.journaled(1)
    assert only.packet == GOOD


def test_fragments_of_nothing_take_no_memory() -> None:
    """A peer may send them for as long as a packet may take."""
    subject = WebSocket()
    subject.feed(REQUEST + frame(GOOD[:100], fin=False))
    assert subject.feed(frame(b"", CONTINUED, fin=False) * 10_000) == []
    assert len(subject._message) == 1
    assert subject.is_inside
    assert subject.feed(frame(GOOD[100:], CONTINUED)) == [GOOD]
    assert not subject.is_inside


async def test_a_close_frame_is_answered_and_is_nothing_to_count(
    start_listener: StartListener,
) -> None:
    """What came before it is journaled."""
    server = await start_listener("ws")
    reader, writer = await _open(server)
    writer.write(frame(GOOD) + frame(struct.pack(">H", 1000) + b"bye", CLOSE))
    assert await until_closed(reader) == bytes([0x80 | CLOSE, 5]) + struct.pack(">H", 1000) + b"bye"
    assert [entry.packet for entry in server.records()] == [GOOD]
    assert server.causes() == {}


UNMASKED = bytes([0x80 | BINARY, 3]) + b"hep"
BAD_FRAMES = {
    "unmasked": UNMASKED,
    "reserved bit": bytes([0xC0 | BINARY, 0x80]) + bytes(4),
    "unknown opcode": frame(b"x", 3),
    "continued from nothing": frame(b"x", CONTINUED),
    "a message inside a message": frame(b"x", fin=False) + frame(b"y"),
    "a control frame in fragments": frame(b"x", PING, fin=False),
    "a control frame that is too long": frame(bytes(126), PING),
    "a message that is too long": frame(bytes(MAX_PACKET + 1)),
    "a length beyond everything": bytes([0x80 | BINARY, 0xFF]) + b"\xff" * 8,
    "too long in fragments": frame(bytes(40_000), fin=False) + frame(bytes(40_000), CONTINUED),
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_a_bad_frame_closes_that_connection_once(
    start_listener: StartListener, caplog: pytest.LogCaptureFixture, bad: bytes
) -> None:
    """What came before it is kept; it is counted once, logged once, and others go on."""
    server = await start_listener("ws")
    _, other = await _open(server)
    for _ in range(2):
        reader, writer = await _open(server)
        writer.write(frame(GOOD) + bad + frame(GOOD))
        answer = await until_closed(reader)
        assert answer[0] == 0x80 | CLOSE
        assert struct.unpack_from(">H", answer, 2)[0] in (1002, 1009)
    other.write(frame(GOOD))
    found = await server.journaled(3)
    assert [entry.packet for entry in found] == [GOOD] * 3
    assert server.causes() == {Cause.STREAM_PROTOCOL: 2}
    assert server.refused() == {("127.0.0.1", Cause.STREAM_PROTOCOL): 2}
    assert len([line for line in caplog.messages if "closed: not WebSocket" in line]) == 1


BAD_REQUESTS = {
    "HEP": GOOD + b"\r\n\r\n",
    "another method": REQUEST.replace(b"GET", b"POST"),
    "an ordinary request": b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    "an old version": REQUEST.replace(b": 13", b": 8"),
    "no key": REQUEST.replace(b"Sec-WebSocket-Key", b"Sec-Nothing"),
    "binary": bytes(100) + b"\r\n\r\n",
    "too long": b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST,
    "too many headers": REQUEST[:-2] + b"X: y\r\n" * 200 + b"\r\n",
}


@pytest.mark.parametrize("bad", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
async def test_a_failed_handshake_closes_only_that_connection(
    start_listener: StartListener, bad: bytes
) -> None:
    """The listener goes on accepting, and those who are connected notice nothing."""
    server = await start_listener("ws")
    _, other = await _open(server)
    for _ in range(3):
        reader, writer = await server.connect("ws")
        writer.write(bad)
        assert b" 101 " not in await until_closed(reader)
    assert server.causes() == {Cause.STREAM_PROTOCOL: 3}
    _, late = await _open(server)
    other.write(frame(GOOD))
    late.write(frame(GOOD))
    await server.journaled(2)


async def test_a_handshake_that_takes_too_long_is_ended(start_listener: StartListener) -> None:
    """Whether nothing comes or a byte now and then; one that came in time stays."""
    server = await start_listener("ws", HEP_HANDSHAKE_TIMEOUT="1s")
    open_reader, _ = await _open(server)
    silent, _ = await server.connect("ws")
    slow, slow_writer = await server.connect("ws")
    ended = [asyncio.create_task(until_closed(reader)) for reader in (silent, slow)]
    letters = iter(REQUEST)
    while not all(task.done() for task in ended):
        if not ended[1].done():
            slow_writer.write(bytes([next(letters)]))
        await asyncio.sleep(0.05)
    assert not open_reader.at_eof()
    assert server.causes() == {Cause.STREAM_PROTOCOL: 2}


async def test_a_message_that_is_not_finished_in_time_is_counted(
    start_listener: StartListener,
) -> None:
    """Half a frame, and a message whose last fragment does not come."""
    server = await start_listener("ws", HEP_PACKET_TIMEOUT="1s")
    readers = []
    for begun in (frame(GOOD)[:200], frame(GOOD)[:1], frame(GOOD, fin=False)):
        reader, writer = await _open(server)
        writer.write(frame(GOOD) + begun)
        readers.append(reader)
    idle, _ = await _open(server)
    for reader in readers:
        await until_closed(reader)
    assert not idle.at_eof()
    assert server.causes() == {Cause.STREAM_INCOMPLETE: 3}
    assert len(server.records()) == 3


async def test_a_client_that_reads_nothing_is_not_read(
    start_listener: StartListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to pings do not pile up in memory, and the connection is not kept for ever."""
    monkeypatch.setattr(connection_module, "CLOSE_S", 0.1)
    server = await start_listener("ws", HEP_IDLE_TIMEOUT="1s")
    _, writer = await _open(server)
    (connection,) = server.connections
    transport = connection._transport
    assert transport
    reading = writer.transport
    assert isinstance(reading, asyncio.ReadTransport)
    reading.pause_reading()
    pings = frame(bytes(125), PING) * 1000
    written = 0
    while server.connections and written < 500:
        writer.write(pings)
        written += 1
        await asyncio.sleep(0)
        assert transport.get_write_buffer_size() < 1 << 19
        if writer.transport.get_write_buffer_size() > 1 << 22:
            break
    assert written < 500, "it was read as fast as it wrote"
    await until(lambda: not server.connections)


messages = st.lists(st.binary(max_size=300), min_size=1, max_size=6)


@given(
    messages,
    st.lists(st.integers(1, 400), max_size=4),
    st.lists(st.integers(0, 3000), max_size=12),
    st.booleans(),
)
def test_any_fragments_and_any_split_give_the_same_messages(
    sent: list[bytes], fragments: list[int], cuts: list[int], ping: bool
) -> None:
    """Whatever the client and the network make of it."""
    stream = b""
    pings = 0
    for message in sent:
        borders = [0, *sorted({min(n, len(message)) for n in fragments} - {0}), len(message)]
        parts = [message[a:b] for a, b in pairwise(borders)]
        for number, part in enumerate(parts):
            opcode = CONTINUED if number else TEXT if ping else BINARY
            stream += frame(part, opcode, fin=number == len(parts) - 1)
            if ping:
                stream += frame(b"!", PING)
                pings += 1
    data = REQUEST + stream
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    websocket = WebSocket()
    found = []
    for begin, end in pairwise(borders):
        found += websocket.feed(data[begin:end])
    assert found == sent
    assert not websocket.error
    assert not websocket.is_inside
    assert websocket.answers().count(bytes([0x80 | PONG, 1]) + b"!") == pings


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_taken_or_refused(data: bytes, shaken: bool) -> None:
    """Never an exception."""
    websocket = WebSocket()
    if shaken:
        assert websocket.feed(REQUEST) == []
        assert websocket.is_open
    websocket.feed(data)
    websocket.feed(data)
    websocket.answers()
