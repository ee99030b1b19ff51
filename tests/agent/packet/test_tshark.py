# SPDX-License-Identifier: GPL-2.0-or-later
"""The decoder beside tshark: the same frames in a file give the same packets."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

import dpkt
import pytest

from agent.count import Count
from agent.packet.decoder import Decoder
from tests.agent.packet import frames
from tests.agent.packet.frames import IPV4, IPV6, SCTP, TCP, UDP, Counts, data, i_data
from tests.agent.packet.test_link import FRAMES
from tests.agent.packet.test_tunnel import ERSPAN, ERSPAN_1, TUNNELS
from tests.tshark import Inner, innermost

PROTOCOLS: Final = {"udp": UDP, "tcp": TCP, "sctp": SCTP}
UNKNOWN_TO_TSHARK: Final = {
    *(name for name in TUNNELS if name.startswith("HPERM")),
    # It shows the packet as bytes.
    "ERSPAN III, IP",
    # It takes the control word for an address.
    "pseudowire",
}


def _write(file: Path, linktype: int, captured: list[bytes]) -> None:
    with file.open("wb") as stream:
        writer = dpkt.pcap.Writer(stream, linktype=linktype)
        for second, frame in enumerate(captured, 1000):
            writer.writepkt(frame, second)


def _ours(linktype: int, captured: list[bytes]) -> tuple[list[Inner], Counts]:
    counts = Counts()
    decoder = Decoder(linktype, erspan=True, counts=counts.row)
    names = {number: name for name, number in PROTOCOLS.items()}
    found = [
        Inner(
            number,
            names[packet.protocol],
            str(ip_address(packet.src_ip)),
            str(ip_address(packet.dst_ip)),
            packet.src_port,
            packet.dst_port,
            packet.vlan,
            packet.payload if packet.protocol != SCTP else b"",
            [_call_id(packet.payload)],
        )
        for number, frame in enumerate(captured, 1)
        for packet in decoder.decode(number, frame)
    ]
    return found, counts


def _call_id(message: bytes) -> str:
    return message.partition(b"Call-ID: ")[2].partition(b"\r\n")[0].decode()


def _ethernet(packet: bytes) -> bytes:
    return frames.ethernet(packet, IPV4 if packet[0] >> 4 == 4 else IPV6) + bytes(6)


@pytest.mark.parametrize("linktype", sorted({linktype for linktype, *_rest in FRAMES.values()}))
def test_link_layers_and_tags_as_tshark_reads_them(tmp_path: Path, linktype: int) -> None:
    """One file for each link type."""
    captured = [
        frame
        for name, (type_, frame, _packet, _vlan) in FRAMES.items()
        if type_ == linktype and name not in UNKNOWN_TO_TSHARK
    ]
    _write(tmp_path / "link.pcap", linktype, captured)
    ours, _counts = _ours(linktype, captured)
    assert len(ours) == len(captured)
    assert ours == innermost(tmp_path / "link.pcap")


def test_all_tunnels_as_tshark_reads_them(tmp_path: Path) -> None:
    """Innermost addresses, ports and payload."""
    packets = TUNNELS | ERSPAN | {"ERSPAN I": ERSPAN_1}
    captured = [_ethernet(packets[name]) for name in packets if name not in UNKNOWN_TO_TSHARK]
    _write(tmp_path / "tunnels.pcap", 1, captured)
    ours, _counts = _ours(1, captured)
    assert len(ours) == len(captured) == len(packets.keys() - UNKNOWN_TO_TSHARK)
    assert ours == innermost(tmp_path / "tunnels.pcap")


def test_fragments_as_tshark_puts_them_together(tmp_path: Path) -> None:
    """In order and out of it, of both families, in the frame that completes the datagram."""
    captured = []
    for number, order in enumerate(([0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 0, 2, 1])):
        message = frames.sip(f"call-{number}") + bytes(500)
        for make in (frames.fragments4, frames.fragments6):
            for protocol, payload in ((UDP, frames.udp(message)), (TCP, frames.tcp(message))):
                parts = make(payload, [20, 60], protocol, number)
                captured += [_ethernet(parts[index]) for index in order]
    _write(tmp_path / "fragments.pcap", 1, captured)
    ours, counts = _ours(1, captured)
    assert len(ours) == 16
    assert dict(counts) == {Count.USED: 32, Count.REPEATED: 4}
    theirs = innermost(tmp_path / "fragments.pcap")
    assert [packet._replace(call_ids=[]) for packet in ours] == [
        packet._replace(call_ids=[]) for packet in theirs
    ]


def test_sctp_messages_as_tshark_finds_them(tmp_path: Path) -> None:
    """Several in a packet, and one in three pieces."""
    long = frames.sip("in-pieces")
    chunks = [
        [data(1, frames.sip("alone"))],
        [data(2, frames.sip("first")), data(3, frames.sip("second"), number=1)],
        [frames.chunk(3, 0, bytes(12)), data(4, frames.sip("behind-control"), number=2)],
        [data(5, long[:70], 2, number=3)],
        [data(6, long[70:140], 0, number=3)],
        [data(7, long[140:], 1, number=3), data(8, frames.sip("bundled"), number=4)],
    ]
    captured = [_ethernet(frames.ip4(frames.sctp(*packet), SCTP)) for packet in chunks]
    captured.append(_ethernet(frames.ip6(frames.sctp(i_data(1, frames.sip("six")), tag=9), SCTP)))
    _write(tmp_path / "sctp.pcap", 1, captured)
    ours, counts = _ours(1, captured)
    assert dict(counts) == {Count.USED: 2}
    theirs = [packet for packet in innermost(tmp_path / "sctp.pcap") if packet.call_ids]
    assert [(p.frame, p.src, p.dst, p.src_port, p.dst_port, *p.call_ids) for p in ours] == [
        (p.frame, p.src, p.dst, p.src_port, p.dst_port, name) for p in theirs for name in p.call_ids
    ]
    assert len(ours) == 7
