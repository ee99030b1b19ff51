# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as files: a capture file and readable text.

The capture file has raw IP packets. Each message is one packet of its own transport: what was
split into segments or fragments on the wire is whole here, TLS and WebSocket are in the clear as
TCP, and sequence numbers go on as if nothing else had been sent.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from dpkt import ip, ip6, tcp, udp
from dpkt.pcap import Writer

from collector.moment import EPOCH, to_text

LINKTYPE_RAW: Final = 101
"""Packets begin with their IPv4 or IPv6 header."""

_SNAPLEN: Final = 1 << 18
_MAX_UDP: Final = 65_507
_MAX_TCP: Final = 65_000
_SEQUENCE_MASK: Final = 0xFFFFFFFF
_WINDOW: Final = 65_535
_TTL: Final = 64

_Address = IPv4Address | IPv6Address
_Flow = tuple[_Address, int, _Address, int]


def pcap(messages: Iterable[Mapping[str, Any]]) -> bytes:
    """A libpcap file with µs times, link type raw IP; messages as rows of ``sip_message``."""
    file = io.BytesIO()
    writer = Writer(file, snaplen=_SNAPLEN, linktype=LINKTYPE_RAW)
    sent: dict[_Flow, int] = {}
    for message in messages:
        source, destination = _addresses(message["src_ip"], message["dst_ip"])
        flow = (source, message["src_port"], destination, message["dst_port"])
        payload = message["raw"]
        elapsed = message["ts"] - EPOCH
        seconds = elapsed.days * 86_400 + elapsed.seconds + elapsed.microseconds / 1e6
        segments: Iterable[udp.UDP | tcp.TCP]
        if message["transport"] == "UDP" and len(payload) <= _MAX_UDP:
            segments = (udp.UDP(sport=flow[1], dport=flow[3], ulen=8 + len(payload), data=payload),)
        else:
            segments = _tcp_segments(flow, payload, sent)
        for segment in segments:
            writer.writepkt_time(bytes(_packet(source, destination, segment)), seconds)
    return file.getvalue()


def text(messages: Iterable[Mapping[str, Any]]) -> bytes:
    """Each message as captured under a line with time, transport and addresses."""
    parts = []
    for message in messages:
        source = _host_port(message["src_ip"], message["src_port"])
        destination = _host_port(message["dst_ip"], message["dst_port"])
        line = (
            f"--- {to_text(message['ts'])} {message['transport']} {source} -> {destination}"
            f" node {_printable(message['node'])}\n"
        )
        parts += [line.encode(), message["raw"], b"" if message["raw"].endswith(b"\n") else b"\n"]
        parts.append(b"\n")
    return b"".join(parts)


def _tcp_segments(flow: _Flow, payload: bytes, sent: dict[_Flow, int]) -> Iterator[tcp.TCP]:
    """The payload in segments that continue the flow; ``sent`` counts the bytes per direction."""
    back = (flow[2], flow[3], flow[0], flow[1])
    for begin in range(0, len(payload), _MAX_TCP):
        part = payload[begin : begin + _MAX_TCP]
        yield tcp.TCP(
            sport=flow[1],
            dport=flow[3],
            seq=sent.get(flow, 1) & _SEQUENCE_MASK,
            ack=sent.get(back, 1) & _SEQUENCE_MASK,
            flags=tcp.TH_PUSH | tcp.TH_ACK,
            win=_WINDOW,
            data=part,
        )
        sent[flow] = sent.get(flow, 1) + len(part)


def _packet(source: _Address, destination: _Address, segment: udp.UDP | tcp.TCP) -> ip.IP | ip6.IP6:
    protocol = ip.IP_PROTO_UDP if isinstance(segment, udp.UDP) else ip.IP_PROTO_TCP
    if isinstance(source, IPv4Address):
        size = 20 + len(segment)
        return ip.IP(
            src=source.packed, dst=destination.packed, p=protocol, ttl=_TTL, len=size, data=segment
        )
    return ip6.IP6(
        src=source.packed,
        dst=destination.packed,
        nxt=protocol,
        hlim=_TTL,
        plen=len(segment),
        data=segment,
    )


def _addresses(source: _Address | None, destination: _Address | None) -> tuple[_Address, _Address]:
    """Both addresses in one family; an unknown one is 0.0.0.0 or ::."""
    if IPv6Address in (type(source), type(destination)):
        return _as_ipv6(source), _as_ipv6(destination)
    return source or IPv4Address(0), destination or IPv4Address(0)


def _as_ipv6(address: _Address | None) -> IPv6Address:
    if isinstance(address, IPv4Address):
        return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    return address or IPv6Address(0)


def _host_port(address: _Address | None, port: int) -> str:
    if address is None:
        return f"unknown:{port}"
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in value)
