# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TCP, TLS and WebSocket: accepts connections and appends their packets to the journal.

A stream can wait, so no packet of one is dropped: when the journal has no room, or the peer is
faster than it may be, reading pauses and TCP makes the sender wait.

``server`` has the sockets, ``connection`` one sender, ``websocket`` what is different there,
``tls`` the certificate, and ``intake`` the way from all connections into the journal.
"""

from collector.listener.server import Listener, allow_connections, listen, make_intake, run

__all__ = ["Listener", "allow_connections", "listen", "make_intake", "run"]
