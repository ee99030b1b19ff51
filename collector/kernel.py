# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel knows about our sockets: which listen, their queue, and what it dropped."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import sys
import termios
from pathlib import Path
from typing import Final, NamedTuple

from collector.journal.counters import MAX_SOCKETS, NodeField
from collector.settings.endpoint import Endpoint

TABLES: Final = (Path("/proc/net/udp"), Path("/proc/net/udp6"))
TCP_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING: Final = "0A"


class UdpSocket(NamedTuple):
    """One line of /proc/net/udp or udp6."""

    host: str
    port: int
    inode: int
    queued_octets: int
    """Bytes in the receive queue, kernel overhead included."""
    drops: int
    """Datagrams dropped since the socket was opened."""


def parse_udp_table(text: str) -> list[UdpSocket]:
    """The sockets in the text of /proc/net/udp or /proc/net/udp6."""
    sockets = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        address, _, port = fields[1].partition(":")
        queued = int(fields[4].partition(":")[2], 16)
        sockets.append(
            UdpSocket(_address(address), int(port, 16), int(fields[9]), queued, int(fields[12]))
        )
    return sockets


def udp_sockets(endpoints: list[Endpoint]) -> list[UdpSocket]:
    """The open sockets among ``endpoints``; those of other protocols are skipped."""
    wanted = {
        (ipaddress.ip_address(endpoint.host), endpoint.port)
        for endpoint in endpoints
        if not endpoint.is_stream
    }
    found = []
    for table in TABLES:
        if table.exists():
            found += [
                item
                for item in parse_udp_table(table.read_text())
                if (ipaddress.ip_address(item.host), item.port) in wanted
            ]
    return found


def parse_tcp_table(text: str) -> list[tuple[str, int]]:
    """Address and port of the listening sockets in the text of /proc/net/tcp or /proc/net/tcp6."""
    found = []
    for line in text.splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        address, _, port = local.partition(":")
        if state == _LISTENING:
            found.append((_address(address), int(port, 16)))
    return found


def listens(endpoint: Endpoint) -> bool:
    """Whether a socket is open at the endpoint; a TCP socket is not connected to find out."""
    if not endpoint.is_stream:
        return bool(udp_sockets([endpoint]))
    tables = (table.read_text() for table in TCP_TABLES if table.exists())
    wanted = (endpoint.host, endpoint.port)
    return any(wanted in parse_tcp_table(text) for text in tables)


def count_drops(node: memoryview[int], sockets: list[UdpSocket]) -> None:
    """Add what was dropped since the last call to the node's counters.

    The kernel counts per socket and forgets with it, so the last reading of each is kept beside
    the total. Drops between the last call and the end of a socket are not seen.
    """
    last: dict[int, int] = {}
    for position in range(MAX_SOCKETS):
        at = NodeField.FIRST_SOCKET + 2 * position
        if node[at]:
            last[node[at]] = node[at + 1]
    for position in range(MAX_SOCKETS):
        at = NodeField.FIRST_SOCKET + 2 * position
        if position >= len(sockets):
            node[at] = node[at + 1] = 0
            continue
        item = sockets[position]
        node[NodeField.KERNEL_DROPS] += max(0, item.drops - last.get(item.inode, 0))
        node[at], node[at + 1] = item.inode, item.drops


def _address(hexadecimal: str) -> str:
    """The kernel prints addresses as 32-bit words in the byte order of the machine."""
    data = bytes.fromhex(hexadecimal)
    words = [data[i : i + 4] for i in range(0, len(data), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return str(ipaddress.ip_address(b"".join(words)))


def unacknowledged(connected: socket.socket) -> int:
    """Bytes written to a TCP connection that the other side's kernel has not acknowledged
    (SIOCOUTQ).

    Still right after the other side has closed or reset it.
    """
    return int.from_bytes(fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
