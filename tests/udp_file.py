# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes capture files of UDP datagrams."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import dpkt

from tests.sip_text import DESTINATION, SOURCE


def write(path: Path, datagrams: Iterable[tuple[int, int, bytes]]) -> Path:
    """One Ethernet frame per source port, destination port and payload."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for at, (src_port, dst_port, payload) in enumerate(datagrams):
            udp = dpkt.udp.UDP(sport=src_port, dport=dst_port, data=payload, ulen=8 + len(payload))
            ip = dpkt.ip.IP(src=SOURCE, dst=DESTINATION, p=dpkt.ip.IP_PROTO_UDP, data=udp)
            ip.len = len(ip)
            writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=ip)), ts=float(at + 1))
    return path
