# SPDX-License-Identifier: GPL-2.0-or-later
"""-hin: what is received is passed on byte for byte, whoever sends it and however it comes."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from agent.count import Count
from agent.counts import Counts, Rows
from agent.flags.options import Options
from agent.handover import Handover
from agent.relay.server import serve
from agent.summary import is_balanced
from collector import hep
from collector.hep import Hep
from collector.settings.endpoint import Endpoint
from stack.ports import free_port
from tests.agent_options import options
from tests.fix_journal import OpenWriter, packets_of
from tests.hep_bytes import chunk, hep3

_SIP: Final = (
    b"%b sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-%d\r\n"
    b"Call-ID: %d@a\r\nCSeq: 1 %b\r\nContent-Length: 0\r\n\r\n"
)


def _packet(number: int, method: bytes = b"INVITE", **changed: object) -> bytes:
    payload = _SIP % (method, number, number, method)
    packet = Hep(
        3,
        17,
        bytes((192, 0, 2, 1)),
        bytes((192, 0, 2, 2)),
        5060,
        5070,
        1_800_000_000,
        5,
        1,
        7,
        payload,
    )
    return hep.encode(packet._replace(**changed))  # type: ignore[arg-type]


class Relay:
    """A relay on a free port, with a journal."""

    def __init__(self, journal: Path, open_writer: OpenWriter, options: Options) -> None:
        assert options.hin
        self.endpoint: Endpoint = options.hin
        self._journal = journal
        self._options = options
        self._writer = open_writer()
        self.counts: Counts = Rows(1).row(0)
        self._stop = os.pipe()

    @property
    def packets(self) -> list[bytes]:
        """What is in the journal."""
        return packets_of(self._journal)

    @property
    def totals(self) -> list[int]:
        """The counts, a copy."""
        return self.counts.tolist()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Receive for the length of a block, then stop in an orderly way."""
        handover = Handover(self._writer, self.counts, self._options.servers)
        task = asyncio.create_task(
            serve(self._options, self.endpoint, handover, self.counts, self._stop[0], lambda: None)
        )
        try:
            await asyncio.sleep(0.05)
            yield
        finally:
            os.close(self._stop[1])
            await asyncio.wait_for(task, 10)
            os.close(self._stop[0])

    async def send(self, *parts: bytes, reset: bool = False) -> None:
        """One TCP connection on which these parts go out, each in a segment of its own."""
        _, writer = await asyncio.open_connection(self.endpoint.host, self.endpoint.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def send_datagrams(self, *packets: bytes) -> None:
        """UDP."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for packet in packets:
                sender.sendto(packet, (self.endpoint.host, self.endpoint.port))


Make = Callable[..., Relay]


@pytest.fixture
def make(journal: Path, open_writer: OpenWriter) -> Make:
    """Makes a relay with further flags."""

    def relay(protocol: str, *flags: str) -> Relay:
        where = f"{protocol}:127.0.0.1:{free_port()}"
        return Relay(journal, open_writer, options("-hin", where, *flags))

    return relay


async def _received(relay: Relay, frames: int) -> None:
    for _ in range(500):
        if relay.counts[Count.CAPTURED] >= frames:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{relay.counts[Count.CAPTURED]} of {frames} packets came")


async def test_the_last_packet_of_a_connection_is_not_lost(make: Make) -> None:
    """heplify waits for 20 bytes more than it needs, which never come."""
    relay = make("tcp")
    packets = [_packet(number) for number in range(3)]
    async with relay.running():
        for packet in packets:
            await relay.send(packet)
        await _received(relay, 3)
    assert relay.packets == packets


async def test_what_was_sent_before_the_stop_is_taken(make: Make) -> None:
    """A peer has sent and closed; then the agent is stopped before it has looked."""
    relay = make("tcp")
    packets = [_packet(number) for number in range(500)]
    async with relay.running():
        with socket.create_connection((relay.endpoint.host, relay.endpoint.port)) as peer:
            peer.sendall(b"".join(packets))
    assert relay.packets == packets


@pytest.mark.parametrize("size", [1, 5, 6, 7, 100])
async def test_packets_may_be_cut_anywhere(make: Make, size: int) -> None:
    """TCP knows no packets; heplify's header is read in one piece or never."""
    relay = make("tcp")
    packets = [_packet(1), _packet(2, b"BYE")]
    stream = b"".join(packets)
    async with relay.running():
        await relay.send(*(stream[at : at + size] for at in range(0, len(stream), size)))
        await _received(relay, 2)
    assert relay.packets == packets


async def test_long_datagrams_are_not_truncated(make: Make) -> None:
    """heplify reads 5,000 bytes of each."""
    relay = make("udp")
    packets = [
        _packet(number, payload=_SIP % (b"INVITE", number, number, b"INVITE") + b"x" * octets)
        for number, octets in enumerate((0, 4_700, 5_000, 20_000, 65_000))
    ]
    packets.append(_packet(9, payload=b"x" * (65_507 - len(_packet(9, payload=b"")))))
    assert len(packets[-1]) == 65_507
    async with relay.running():
        relay.send_datagrams(*packets)
        await _received(relay, len(packets))
    assert relay.packets == packets


async def test_packets_go_byte_for_byte(make: Make) -> None:
    """Chunks that nobody knows, a foreign password, any order: it is all the sender's."""
    relay = make("udp", "-hp", "mine", "-hn", "me", "-hi", "5")
    packet = hep3(
        chunk(0x0F, b"OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"),
        chunk(0x0E, b"theirs"),
        chunk(0x0B, b"\1"),
        chunk(0x77, b"?", vendor=9),
    )
    async with relay.running():
        relay.send_datagrams(packet)
        await _received(relay, 1)
    assert relay.packets == [packet]


async def test_replacetoken_keeps_the_other_chunks(make: Make) -> None:
    """heplify loses the chunks that it does not know."""
    relay = make("udp", "-hp", "mine", "-replacetoken")
    payload = chunk(0x0F, b"OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n")
    foreign = chunk(0x77, b"?", vendor=9)
    async with relay.running():
        relay.send_datagrams(hep3(chunk(0x0B, b"\1"), chunk(0x0E, b"theirs"), foreign, payload))
        relay.send_datagrams(hep3(chunk(0x0B, b"\1"), foreign, payload))
        await _received(relay, 2)
    expected = hep3(chunk(0x0B, b"\1"), foreign, chunk(0x0E, b"mine"), payload)
    assert relay.packets == [expected, expected]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_ip_filters_apply_on_both_transports(make: Make, protocol: str) -> None:
    """heplify applies them on UDP only."""
    relay = make(protocol, "-disip", "198.51.100.0/24", "-didip", "203.0.113.7")
    kept = _packet(1)
    others = [
        _packet(2, src_ip=bytes((198, 51, 100, 9))),
        _packet(3, dst_ip=bytes((203, 0, 113, 7))),
    ]
    async with relay.running():
        if protocol == "udp":
            relay.send_datagrams(*others, kept)
        else:
            await relay.send(b"".join([*others, kept]))
        await _received(relay, 3)
    assert relay.packets == [kept]
    assert relay.totals[Count.ADDRESS] == 2
    assert is_balanced(relay.totals)


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_collectonlysip_and_dim(make: Make, protocol: str) -> None:
    """Methods as the user wrote them, with spaces and in lower case."""
    relay = make(protocol, "-collectonlysip", "-dim", "options, register")
    kept = _packet(1)
    others = [
        _packet(2, b"OPTIONS"),
        _packet(3, b"REGISTER"),
        _packet(4, type=5),
        _packet(5, type=100),
    ]
    async with relay.running():
        if protocol == "udp":
            relay.send_datagrams(*others, kept)
        else:
            await relay.send(b"".join([*others, kept]))
        await _received(relay, 5)
    assert relay.packets == [kept]
    assert relay.totals[Count.METHOD] == relay.totals[Count.TYPE] == 2
    assert is_balanced(relay.totals)


async def test_undecodable_packets_are_counted(make: Make) -> None:
    """heplify drops them without a word, and stops with -collectonlysip."""
    relay = make("udp", "-collectonlysip")
    whole = _packet(1)
    damaged = [b"", b"HEP3", b"HEP3\0\6", whole[:-1], whole + b"x", b"\0" * 50, b"HEP3\xff\xff"]
    # Too short for a HEP header that is true, or with chunks that run past the end.
    damaged += [b"HEP3\0\x0d\0\0\0\x0b\0\x08\1", b"HEP3\0\x0c\0\0\0\x0b\0\0"]
    async with relay.running():
        relay.send_datagrams(*damaged, whole)
        await _received(relay, len(damaged) + 1)
    assert relay.packets == [whole]
    # A HEP3 packet without chunks is none of SIP.
    assert relay.totals[Count.DAMAGED_HEP] == len(damaged) - 1
    assert relay.totals[Count.TYPE] == 1
    assert is_balanced(relay.totals)


async def test_a_hostile_peer_stops_neither_the_relay_nor_the_others(make: Make) -> None:
    """Garbage, a packet that never ends, a reset; meanwhile somebody sends as it should be."""
    relay = make("tcp")
    packet = _packet(1)
    async with relay.running():
        await relay.send(b"GET / HTTP/1.1\r\n\r\n")
        await relay.send(packet[:50])
        await relay.send(packet, packet[:50], reset=True)
        await relay.send(packet, b"HEP3\0\0")
        await relay.send(packet)
        await _received(relay, 7)
        await asyncio.sleep(0.1)
    assert relay.packets == [packet] * 3
    assert relay.totals[Count.CONNECTED] == 5
    assert relay.totals[Count.REFUSED] == 4
    assert relay.totals[Count.DAMAGED_HEP] == relay.totals[Count.CUT_HEP] == 2
    assert is_balanced(relay.totals)


async def test_a_packet_too_long_for_udp_is_compressed(make: Make) -> None:
    """It came over TCP, and one of the servers has UDP only."""
    relay = make("tcp", "-hs", "127.0.0.1:9")
    packet = _packet(1, payload=b"x" * (65_530 - len(_packet(1, payload=b""))))
    async with relay.running():
        await relay.send(packet)
        await _received(relay, 1)
    (passed_on,) = relay.packets
    assert len(passed_on) <= 65_507
    assert hep.decode(passed_on) == hep.decode(packet)


async def test_a_port_that_is_taken_is_named(make: Make) -> None:
    """With the flag that says so."""
    relay = make("tcp")
    text = r"-hin tcp:127\.0\.0\.1:\d+: Address already in use"
    with (
        socket.create_server((relay.endpoint.host, relay.endpoint.port)),
        pytest.raises(OSError, match=text),
    ):
        async with relay.running():
            await asyncio.sleep(0.1)
