# SPDX-License-Identifier: GPL-2.0-or-later
"""The real tshark finds the same messages in the same frames."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dpkt

from agent.packet.packet import Packet
from collector.hep import PROTOCOL_TCP
from tests import tshark
from tests.agent.stream import segments
from tests.agent.stream.segments import ACK, SYN, Capture, frame, request

_RAW_IP: Final = 101
"""LINKTYPE_RAW."""
_WINDOW: Final = 65_535
_HTTP_PORT: Final = 80


class Connection:
    """Both directions of a TCP connection, as segments."""

    def __init__(self, client_port: int, server_port: int, packets: list[Packet]) -> None:
        self._ports = client_port, server_port
        self._packets = packets
        self.first = (0xFFFF_FF00, 7)
        """Sequence numbers of the first bytes."""
        self.add(0, -1, b"", SYN)
        self.add(1, -1, b"", SYN | ACK)

    def add(self, side: int, offset: int, data: bytes, flags: int = ACK) -> None:
        """A segment of the client (0) or server (1) with the bytes at an offset."""
        sequence = (self.first[side] + offset) & 0xFFFF_FFFF
        packet = segments.segment(data, sequence, flags=flags)
        client, server = self._ports
        packet = packet._replace(src_port=client, dst_port=server)
        if side:
            packet = packet._replace(
                src_ip=packet.dst_ip, dst_ip=packet.src_ip, src_port=server, dst_port=client
            )
        self._packets.append(packet)


def write(file: Path, packets: list[Packet]) -> None:
    """A capture file of these segments."""
    with file.open("wb") as out:
        writer = dpkt.pcap.Writer(out, linktype=_RAW_IP)
        for number, packet in enumerate(packets):
            tcp = dpkt.tcp.TCP(
                sport=packet.src_port,
                dport=packet.dst_port,
                seq=packet.sequence,
                ack=1,
                flags=packet.flags,
                win=_WINDOW,
                data=packet.payload,
            )
            ip = dpkt.ip.IP(src=packet.src_ip, dst=packet.dst_ip, p=PROTOCOL_TCP, data=tcp)
            ip.len = len(ip)
            writer.writepkt(bytes(ip), ts=number / 1000)


def mixed() -> list[Packet]:
    """SIP over TCP and over WebSocket, in every way that segments come."""
    packets: list[Packet] = []
    a, b = request(b"INVITE", b"v=0\r\no=- 1 1 IN IP4 h\r\n"), request(b"OPTIONS", length=b"l: 0")
    c = b"SIP/2.0 200 OK\r\nCall-ID: 5\r\nCSeq: 1 BYE\r\ncontent-length:3\r\n\r\nabc"
    stream = a + b + c + a + b + c + a + b
    sip = Connection(40_000, 5060, packets)
    at = 0
    for size in (len(a), 10, 200, 90, len(a) + 50):
        sip.add(0, at, stream[at : at + size])
        at += size
    sip.add(0, 0, stream[:300])  # sent again
    sip.add(0, at + 40, stream[at + 40 : at + 140])  # out of order
    sip.add(1, 0, c + c)
    sip.add(0, at, stream[at : at + 40])
    sip.add(0, at + 20, stream[at + 20 : at + 240])  # overlaps
    sip.add(0, at + 240, stream[at + 240 :])
    web = Connection(41_000, _HTTP_PORT, packets)
    web.add(0, 0, segments.HANDSHAKE)
    web.add(1, 0, segments.SWITCHING)
    sent = frame(a, mask=b"abcd") + frame(b"", first=0x89, mask=b"1234") + frame(b, mask=b"\x81xyz")
    sent += frame(c[:20], first=1, mask=b"abcd") + frame(c[20:], first=0x80, mask=b"efgh")
    for at in range(0, len(sent), 150):
        web.add(0, len(segments.HANDSHAKE) + at, sent[at : at + 150])
    web.add(1, len(segments.SWITCHING), frame(c) + frame(a))
    return packets


def test_tshark_finds_the_same_messages_in_the_same_frames(tmp_path: Path) -> None:
    """Byte by byte, segment by segment."""
    packets = mixed()
    write(tmp_path / "mixed.pcap", packets)
    capture = Capture()
    found = [
        (number, message)
        for number, packet in enumerate(packets, 1)
        for message in capture.feed([packet])
    ]
    assert found == tshark.reassemble(tmp_path / "mixed.pcap")
    assert len(found) == 15
    capture.check()
