# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over WebSocket (RFC 6455): each message, text or binary, is one packet.

The protocol itself is that of the library ``websockets``, in its form without input and output.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from collector.causes import Cause
from collector.hep import MAX_PACKET
from collector.listener.connection import Connection

SUBPROTOCOL: Final = Subprotocol("hep")
MAX_REQUEST: Final = 16_384
"""Longest handshake request in bytes."""
_END_OF_REQUEST: Final = b"\r\n\r\n"
_MESSAGE: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

_LOGGER: Final = logging.getLogger("kemiscope.websockets")
# The library logs every connection; what matters of it is said by the listener, once per interval.
_LOGGER.setLevel(logging.CRITICAL)


class WebSocket:
    """The server's side of one connection. Bytes in, packets and answers out."""

    def __init__(self) -> None:
        self._protocol = ServerProtocol(
            subprotocols=[SUBPROTOCOL],
            select_subprotocol=_select_subprotocol,
            max_size=MAX_PACKET,
            logger=_LOGGER,
        )
        self._request = bytearray()
        self._message: list[bytes] = []
        self._is_between_fragments = False
        self._fed = self._used = 0
        """Bytes of frames: received, and those in frames that are complete."""
        self.is_over = False
        """Whether the peer has ended the connection as it should."""
        self.error = ""
        """Why the connection must be closed, when something is wrong."""

    @property
    def is_open(self) -> bool:
        """Whether the handshake is over."""
        return self._protocol.state is not State.CONNECTING

    @property
    def is_inside(self) -> bool:
        """Whether a message, or any frame, has begun and is not complete."""
        return self._is_between_fragments or self._fed != self._used

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete with ``data``."""
        if self.error or self.is_over:
            return []
        if not self.is_open:
            data = self._shake_hands(data)
        return self._read(data) if data and not self.error else []

    def answers(self) -> bytes:
        """What is to be sent to the peer now: the handshake, pongs, the end."""
        return b"".join(self._protocol.data_to_send())

    def _shake_hands(self, data: bytes) -> bytes:
        """Answer the request when it is complete; returns what came behind it."""
        self._request += data
        end = self._request.find(_END_OF_REQUEST)
        if end < 0:
            if len(self._request) > MAX_REQUEST:
                self.error = f"a handshake request of more than {MAX_REQUEST} bytes"
            return b""
        end += len(_END_OF_REQUEST)
        rest = bytes(self._request[end:])
        self._protocol.receive_data(bytes(self._request[:end]))
        self._request.clear()
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
        if self._protocol.state is not State.OPEN:
            failed = self._protocol.handshake_exc
            known = isinstance(failed, InvalidHandshake)
            self.error = f"no WebSocket handshake: {failed}" if known else "no WebSocket handshake"
        return rest

    def _read(self, data: bytes) -> list[bytes]:
        self._fed += len(data)
        self._protocol.receive_data(data)
        packets: list[bytes] = []
        for frame in self._protocol.events_received():
            # After the handshake there are only frames.
            if not isinstance(frame, Frame):
                continue
            size = len(frame.data)
            self._used += size + (6 if size < 126 else 8 if size < 65_536 else 14)
            if frame.opcode is Opcode.CLOSE:
                self.is_over = True
            elif frame.opcode in _MESSAGE:
                self._is_between_fragments = not frame.fin
                if frame.fin and not self._message:
                    packets.append(bytes(frame.data))
                    continue
                if frame.data:  # the library limits bytes, not fragments
                    self._message.append(bytes(frame.data))
                if frame.fin:
                    packets.append(b"".join(self._message))
                    self._message.clear()
        if not self.is_over and self._protocol.close_expected():
            failed = self._protocol.parser_exc
            self.error = f"not WebSocket: {failed or 'a frame that breaks RFC 6455'}"
        return packets


class WebSocketConnection(Connection):
    """One sender that is connected by WebSocket, over TCP or TLS.

    Memory: as a connection over TCP, and what waits to be sent to the peer (64 KiB and the answers
    to one read; while it does not take them, nothing is read).
    """

    _websocket: WebSocket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self._websocket = WebSocket()
        super().connection_made(transport)

    def decode(self, data: bytes) -> list[bytes]:
        """The messages that are complete; what the protocol demands is answered."""
        packets = self._websocket.feed(data)
        answers = self._websocket.answers()
        if answers:
            self.write(answers)
        return packets

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is over."""
        return self._websocket.is_open

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._websocket.is_inside

    @property
    def fault(self) -> tuple[Cause, str] | None:
        """What is wrong with handshake or frames."""
        error = self._websocket.error
        return (Cause.STREAM_PROTOCOL, error) if error else None

    @property
    def is_over(self) -> bool:
        """Whether the peer has sent its close frame."""
        return self._websocket.is_over


def _select_subprotocol(
    _protocol: ServerProtocol, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """``hep`` when it is offered, none otherwise: many senders name none, some their own."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
