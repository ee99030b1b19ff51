# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TCP, TLS and WebSocket through the real node: what is complete is stored, once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from collector import hep, protobuf
from collector.doctor import examine
from collector.hep import Hep
from collector.journal.counters import Counters, Field, Role
from stack.trial import Trial
from tests.sip_text import packet, request
from tests.system.counts import node, wait_until_all_stored

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
STREAMS = ("tls", "ws", "wss")
SOURCE = bytes((10, 0, 0, 1))
MIB = 1 << 20


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A node with a socket for every protocol."""
    # The half-open wait for it; five hundred who take turns must be done with a packet by then.
    hep = {"packet_timeout": "6s"}
    made = Trial(tmp_path_factory.mktemp("streams"), {"hep": hep}, streams=STREAMS)
    try:
        made.start_database()
        made.start_capture()
        made.start_webapi()
        yield made
    finally:
        made.stop()


def _tls(trial: Trial) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=trial.settings.tls.certificate)


@asynccontextmanager
async def _connected(trial: Trial, protocol: str, count: int) -> AsyncIterator[list[Streams]]:
    """So many connections at once."""
    context = _tls(trial) if protocol == "tls" else None
    streams = await asyncio.gather(
        *(
            asyncio.open_connection("127.0.0.1", trial.ports[protocol], ssl=context)
            for _ in range(count)
        )
    )
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.transport.abort()


def _packets(name: str, count: int, body: bytes = b"") -> list[bytes]:
    return [packet(request(call_id=f"{n}@{name}", number=n + 1, body=body)) for n in range(count)]


def _check(trial: Trial, before: dict[str, int], name: str, count: int, **causes: int) -> None:
    """All of them are stored, exactly once and undamaged, and nothing else is counted."""
    received = before["received"] + count + sum(causes.values())
    wait_until_all_stored(trial, received)
    after = node(trial)
    wanted = before | {"received": received, "stored": before["stored"] + count}
    wanted |= {cause: before[cause] + more for cause, more in causes.items()}
    assert after == wanted
    with trial.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT call_id) FROM sip_message"
            " WHERE split_part(call_id, '@', 2) = %s AND fault IS NULL",
            (name,),
        ).fetchone()
    assert found == (count, count)


def _listener_bytes(trial: Trial) -> int:
    """Resident memory of the listener process."""
    counters = Counters(Path(trial.settings.journal.directory))
    slots = [counters.slot(number).tolist() for number in counters.used_slots()]
    counters.close()
    (pid,) = [slot[Field.PID] for slot in slots if slot[Field.ROLE] == Role.LISTENER]
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
async def test_every_split_point_one_byte_at_a_time_and_a_thousand_at_once(
    trial: Trial, protocol: str
) -> None:
    """On one connection, one after the other."""
    before = node(trial)
    name = f"{protocol}.split"
    size = len(_packets(name, 1)[0])
    packets = _packets(name, size + 1003)
    async with _connected(trial, protocol, 1) as [(_, writer)]:

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.0005)  # so that it is a read of its own there

        for split, data in enumerate(packets[:size], 1):
            await send(data[:split])
            await send(data[split:])
        for byte in b"".join(packets[size : size + 3]):
            await send(bytes([byte]))
        await send(b"".join(packets[size + 3 :]))
        _check(trial, before, name, len(packets))


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
async def test_five_hundred_connections_at_once(trial: Trial, protocol: str) -> None:
    """Each sends its packets in pieces, all at the same time."""
    before = node(trial)
    name = f"{protocol}.many"
    packets = _packets(name, 5000)
    async with _connected(trial, protocol, 500) as streams:

        async def send(number: int, writer: asyncio.StreamWriter) -> None:
            data = b"".join(packets[number::500])
            for begin in range(0, len(data), 777):
                writer.write(data[begin : begin + 777])
                await writer.drain()
                await asyncio.sleep(0)

        await asyncio.gather(*(send(n, writer) for n, (_, writer) in enumerate(streams)))
        _check(trial, before, name, len(packets))


@pytest.mark.parametrize(("protocol", "bytes_each"), [("tcp", 0.3 * MIB), ("tls", 0.8 * MIB)])
async def test_half_open_and_slow_peers_take_bounded_memory_and_no_place(
    trial: Trial, protocol: str, bytes_each: float
) -> None:
    """Hundreds begin the largest packet there can be and do not finish it; one sends it byte by
    byte; another, in between, is served as ever.
    """
    before = node(trial)
    name = f"{protocol}.slow"
    largest = packet(request(body=bytes(60_000)))
    async with (
        _connected(trial, protocol, 301) as streams,
        _connected(trial, protocol, 1) as [(_, good)],
    ):
        resting = _listener_bytes(trial)
        for _, writer in streams[:-1]:
            writer.write(largest[:-1])
        await asyncio.gather(*(writer.drain() for _, writer in streams[:-1]))
        slow_reader, slow = streams[-1]
        good.write(b"".join(_packets(name, 100)))
        await asyncio.sleep(0.5)
        assert _listener_bytes(trial) - resting < 300 * bytes_each
        for byte in largest:
            slow.write(bytes([byte]))
            await asyncio.sleep(0.05)
            if slow_reader.at_eof() or slow.is_closing():
                break
        assert slow_reader.at_eof() or slow.is_closing()
        _check(trial, before, name, 100, stream_incomplete=301)


async def test_websocket_messages_in_every_form(trial: Trial) -> None:
    """Encrypted and not: HEP of all versions and its form in Protobuf, binary and as text, are one
    packet each.
    """
    before = node(trial)
    sent = 0
    for protocol in ("ws", "wss"):
        url = f"http{'s' * (protocol == 'wss')}://127.0.0.1:{trial.ports[protocol]}/"
        tls = _tls(trial) if protocol == "wss" else True
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, ssl=tls, protocols=("hep",)) as client,
        ):
            assert client.protocol == "hep"
            for number in range(200):
                base = Hep(
                    *(1 + number % 4, hep.PROTOCOL_UDP, SOURCE, SOURCE, 80, 80, 0, 0),
                    *(hep.TYPE_SIP, 7, request(call_id=f"{number}-{protocol}@websocket")),
                )
                form = protobuf if base.version == hep.VERSION_PROTOBUF else hep
                data = form.encode(base)
                if base.version == 1:
                    await client.send_str(data.decode())
                else:
                    await client.send_bytes(data)
                sent += 1
            await client.ping()
    _check(trial, before, "websocket", sent)
    with trial.connect() as connection:
        found = connection.execute(
            "SELECT hep_version, sum(packets)::int FROM sender WHERE node IN ('0', '7') GROUP BY 1"
        ).fetchall()
    assert dict(found) == dict.fromkeys((1, 2, 3, hep.VERSION_PROTOBUF), sent // 4)


async def test_one_bad_frame_costs_its_own_connection_only(trial: Trial) -> None:
    """And is counted once, whatever comes behind it."""
    before = node(trial)
    good = _packets("bad", 2)
    async with _connected(trial, "tcp", 3) as [(_, first), (reader, bad), (_, last)]:
        first.write(good[0])
        bad.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        last.write(good[1])
        _check(trial, before, "bad", 2, not_hep=1)


async def test_status_and_doctor_know_the_sockets(trial: Trial) -> None:
    """What listens, for how long the certificate is good, and who was cut off."""
    findings = [finding.text for finding in await examine(trial.settings)]
    for protocol, port in trial.ports.items():
        assert f"{protocol}:127.0.0.1:{port} listens" in findings
    assert any("is good for another 2.0 d" in text for text in findings)
    assert any(text.startswith("127.0.0.1: ") and "stream_incomplete" in text for text in findings)
    url = f"http://127.0.0.1:{trial.web_port}/api/v1/status"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        refused = (await answer.json())["refused"]
    counted = {one["cause"]: one["packets"] for one in refused if one["peer"] == "127.0.0.1"}
    causes = node(trial)
    assert counted
    assert counted == {cause: causes[cause] for cause in counted}
    assert causes["unaccounted"] == 0
