# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files of one call over each transport, written by the programs that people use."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import dpkt

from agent.capture.recorder import Recorder
from agent.count import Count
from tests.agent.packet import frames
from tests.agent.packet.frames import IPV4, IPV6, TCP, UDP
from tests.sdp_text import description
from tests.sip_text import request

ETHERNET: Final = 1
RTP_LOST: Final = frozenset((10, 11, 40))
RTP_PACKETS: Final = 100
MEDIA_PORTS: Final = (40_000, 50_000)


class Sent(NamedTuple):
    """A message as it was on the wire."""

    at: int
    """µs since 1970."""
    call_id: str
    raw: bytes
    transport: str = "UDP"
    src_ip: str = "10.0.0.1"
    dst_ip: str = "10.0.0.2"
    vlan: int = 0


Timed = list[tuple[int, bytes]]
"""Frames with their times, µs."""


def transports(begin: int, domain: str) -> tuple[Timed, list[Sent]]:
    """A call over UDP, IPv6, TCP in segments, with a VLAN, and in fragments, from ``begin`` on.

    The Call-IDs end with ``@`` and the domain.
    """
    captured: Timed = []
    sent: list[Sent] = []
    at = begin

    def frame(data: bytes) -> int:
        nonlocal at
        at += 1_017
        captured.append((at, data))
        return at

    for number, name in enumerate(("udp", "udp6", "vlan", "fragments4", "fragments6")):
        six = name.endswith("6")
        ips = ("2001:db8::1", "2001:db8::2") if six else ("10.0.0.1", "10.0.0.2")
        kind = IPV6 if six else IPV4
        for method in ("INVITE", "ACK", "BYE"):
            body = random.Random(f"{name} {method}").randbytes(1900) if "frag" in name else b""
            raw = request(method, f"{name}@{domain}", number=number + 1, body=body)
            datagram = frames.udp(raw)
            tags = ((0x8100, 42),) if name == "vlan" else ()
            if name == "fragments4":
                packets = frames.fragments4(datagram, [60, 150], number=number + len(sent))
            elif name == "fragments6":
                packets = frames.fragments6(datagram, [60, 150], number=number + len(sent))
            else:
                packets = [frames.ip6(datagram) if six else frames.ip4(datagram)]
            for packet in packets:
                last = frame(frames.ethernet(packet, kind, tags))
            # A datagram that came in fragments has the time of the one that completed it.
            sent.append(Sent(last, f"{name}@{domain}", raw, "UDP", *ips, 42 if tags else 0))
    sequence = 100
    frame(frames.ethernet(frames.ip4(frames.tcp(b"", sequence=99, flags=2), TCP)))
    messages = [
        request(method, f"tcp@{domain}", number=9, body=bytes(range(256)) * 5)
        for method in ("INVITE", "ACK", "BYE")
    ]
    stream = b"".join(messages)
    begins: list[int] = []
    ends = [sum(map(len, messages[: count + 1])) for count in range(3)]
    starts = [0, *ends[:2]]
    for offset in range(0, len(stream), 700):
        part = stream[offset : offset + 700]
        segment = frames.tcp(part, sequence=sequence + offset)
        seen = frame(frames.ethernet(frames.ip4(segment, TCP)))
        begins += [seen for start in starts if offset <= start < offset + 700]
    sent += [
        Sent(first, f"tcp@{domain}", raw, "TCP")
        for first, raw in zip(begins, messages, strict=True)
    ]
    return captured, sent


def with_media(begin: int, call_id: str = "media@import") -> Timed:
    """A call with audio both ways; what comes from the caller has ``RTP_LOST`` missing."""
    offer = request("INVITE", call_id, body=_audio("10.0.0.1", MEDIA_PORTS[0]), headers=_SDP)
    answer = _answer(offer, _audio("10.0.0.2", MEDIA_PORTS[1]))
    there, back = ((b"\x0a\0\0\x01", b"\x0a\0\0\x02"), (b"\x0a\0\0\x02", b"\x0a\0\0\x01"))
    captured = [
        (begin, _udp(offer, 5060, 5061, there)),
        (begin + 500_000, _udp(answer, 5061, 5060, back)),
    ]
    for number in range(RTP_PACKETS):
        at = begin + 1_000_000 + 20_000 * number
        stamp = (160 * number).to_bytes(4)
        payload = stamp + b"%s" + bytes(160)
        head = b"\x80\x08" + ((65_500 + number) & 0xFFFF).to_bytes(2)
        if number not in RTP_LOST:
            data = head + payload.replace(b"%s", b"\0\0\0\x01", 1)
            captured.append((at, _udp(data, *MEDIA_PORTS, there)))
        data = head + payload.replace(b"%s", b"\0\0\0\x02", 1)
        captured.append((at + 3_000, _udp(data, MEDIA_PORTS[1], MEDIA_PORTS[0], back)))
    bye = request("BYE", call_id, number=2)
    captured.append((begin + 4_000_000, _udp(bye, 5060, 5061, there)))
    return captured


_SDP: Final = "Content-Type: application/sdp\r\n"


def _audio(ip: str, port: int) -> bytes:
    return description(f"m=audio {port} RTP/AVP 8\na=rtpmap:8 PCMA/8000", ip=ip)


def _answer(offer: bytes, body: bytes) -> bytes:
    head = offer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    kept = [line for line in head[1:] if not line.startswith(b"Content-Length")]
    lines = [b"SIP/2.0 200 OK", *kept, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines).replace(
        b"To: <sip:bob@example.com>", b"To: <sip:bob@example.com>;tag=b"
    ) + (b"\r\n\r\n" + body)


def _udp(payload: bytes, src: int, dst: int, ips: tuple[bytes, bytes]) -> bytes:
    return frames.ethernet(frames.ip4(frames.udp(payload, src, dst), UDP, *ips))


def datagram(payload: bytes) -> bytes:
    """A frame of UDP between 10.0.0.1:5060 and 10.0.0.2:5061."""
    return frames.ethernet(frames.ip4(frames.udp(payload)))


def write(path: Path, captured: Timed, linktype: int = ETHERNET) -> Path:
    """A pcap file."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, snaplen=262_144, linktype=linktype)
        for at, frame in captured:
            seconds, microseconds = divmod(at, 1_000_000)
            writer.writepkt_time(frame, seconds + microseconds / 1e6)
    return path


def by_tshark(folder: Path, captured: Timed) -> Path:
    """The same as pcapng, written by tshark."""
    plain = write(folder / "plain.pcap", captured)
    path = folder / "tshark.pcapng"
    subprocess.run(
        ["tshark", "-r", str(plain), "-F", "pcapng", "-w", str(path)],
        check=True,
        capture_output=True,
    )
    return path


def by_agent(folder: Path, captured: Timed) -> Path:
    """The same as the agent's -wf writes it."""
    made = folder / "recorded"
    made.mkdir()
    counts = memoryview(bytearray(8 * len(Count))).cast("Q")
    recorder = Recorder(
        *(str(made), counts),
        interface="eth0",
        linktype=ETHERNET,
        node_id=1,
        rotation_s=86_400,
        is_packed=False,
    )
    for at, frame in captured:
        recorder.write(at, frame, len(frame))
    recorder.close()
    (path,) = made.rglob("*.pcap*")
    return path


def by_text2pcap(folder: Path, messages: Sequence[tuple[int, bytes]]) -> Path:
    """UDP datagrams between 10.0.0.1:5060 and 10.0.0.2:5061."""
    lines = []
    for at, payload in messages:
        moment = datetime.fromtimestamp(at // 1_000_000, UTC)
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S}.{at % 1_000_000:06d}")
        lines += [
            f"{begin:06x} {payload[begin : begin + 16].hex(' ')}"
            for begin in range(0, len(payload), 16)
        ]
    text = folder / "hex.txt"
    text.write_text("\n".join(lines) + "\n")
    path = folder / "text2pcap.pcap"
    subprocess.run(
        [
            *("text2pcap", "-q", "-t", "%Y-%m-%d %H:%M:%S.%f", "-u", "5060,5061"),
            *("-4", "10.0.0.1,10.0.0.2", str(text), str(path)),
        ],
        check=True,
        capture_output=True,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
    )
    return path
