# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over UDP for -hin: every datagram in full length, as fast as they come."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

from agent.relay.gate import Gate
from collector import kernel
from collector.journal.record import Transport, pack_address
from collector.settings.endpoint import Endpoint

LONGEST: Final = 65_535
"""Bytes; no datagram is longer, over IPv4 or IPv6."""
AT_ONCE: Final = 256
"""Datagrams taken before others have their turn."""
_SO_RCVBUFFORCE: Final = 33
"""Linux; the module ``socket`` does not have it."""
_MAX_PEERS: Final = 1000


class Datagrams:
    """One socket."""

    def __init__(self, endpoint: Endpoint, gate: Gate, buffer_bytes: int) -> None:
        """Raises OSError when it cannot listen there. ``buffer_bytes`` as far as is allowed."""
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, buffer_bytes)
                break
        try:
            self._socket.bind((endpoint.host, endpoint.port))
        except OSError:
            self._socket.close()
            raise
        self._endpoint = endpoint
        self._gate = gate
        self._peers: dict[str, bytes] = {}

    def fileno(self) -> int:
        """For the loop."""
        return self._socket.fileno()

    def take(self) -> bool:
        """Take what is there; False when nothing was left."""
        for _ in range(AT_ONCE):
            try:
                packet, peer = self._socket.recvfrom(LONGEST)
            except BlockingIOError:
                return False
            except OSError:
                continue  # what the network says of an earlier datagram
            self._gate.take(packet, self._address(peer[0]), peer[1], Transport.UDP)
        return True

    def drops(self) -> int:
        """Datagrams that the kernel had no room for."""
        inode = os.fstat(self._socket.fileno()).st_ino
        return sum(one.drops for one in kernel.udp_sockets([self._endpoint]) if one.inode == inode)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _address(self, host: str) -> bytes:
        found = self._peers.get(host)
        if found is None:
            if len(self._peers) >= _MAX_PEERS:
                self._peers.clear()
            found = self._peers[host] = pack_address(host)
        return found
