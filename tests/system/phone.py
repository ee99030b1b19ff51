# SPDX-License-Identifier: GPL-2.0-or-later
"""A phone that a test plays word by word, over UDP, TCP or TLS, IPv4 or IPv6.

SIPp places whole calls; this is for what SIPp cannot do here (TLS), and for messages that no good
phone sends.
"""

from __future__ import annotations

import re
import socket
import ssl
import zlib
from types import TracebackType
from typing import Final, Self

_TIMEOUT_S: Final = 10
_LENGTH: Final = re.compile(rb"^Content-Length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_COPIED: Final = re.compile(
    r"^(?:Via|Record-Route|From|To|Call-ID|CSeq):.*\r\n", re.IGNORECASE | re.MULTILINE
)


class Phone:
    """One end of a call. ``transport`` is UDP, TCP or TLS."""

    def __init__(self, transport: str, host: str) -> None:
        self.transport = transport
        self.host = host
        self.port = 0
        """The port that it sends from."""
        self.proxy_port = 0
        """The proxy's end of a connection that the proxy opened; 0 for none."""
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET,
            socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM,
        )
        self._listener: socket.socket | None = None
        self._context: ssl.SSLContext | None = None
        self._peer: tuple[str, int] | None = None
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        if self._listener:
            self._listener.close()

    def call(self, port: int) -> None:
        """Connect to the proxy, which is on the phone's own address."""
        if self.transport == "UDP":
            self._socket.bind((self.host, 0))
            self._peer = (self.host, port)
        else:
            self._socket.connect((self.host, port))
        self.port = self._socket.getsockname()[1]
        self._socket.settimeout(_TIMEOUT_S)
        if self.transport == "TLS":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket)

    def listen(self, port: int, context: ssl.SSLContext | None = None) -> None:
        """Wait for calls on ``port``; ``context`` is for TLS."""
        self.port = port
        self._context = context
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((self.host, port))
        self._socket.settimeout(_TIMEOUT_S)
        if self.transport != "UDP":
            self._socket.listen()
            self._listener = self._socket

    def send(self, message: str | bytes) -> None:
        """Send one message."""
        data = message.encode() if isinstance(message, str) else message
        if self._peer:
            self._socket.sendto(data, self._peer)
        else:
            self._socket.sendall(data)

    def receive(self, start: str) -> str:
        """The next message that begins with ``start``; others on the way are skipped."""
        while True:
            text = self._next()
            if text.startswith(start):
                return text

    def request(self, method: str, number: str, **fields: str | int) -> str:
        """A request to ``number`` from this phone.

        ``fields`` replace what it says otherwise: ``call_id``, ``cseq``, ``branch``, ``to``,
        ``from_``, ``uri``, ``headers``, ``body``.
        """
        return request(method, number, self, **fields)

    def _next(self) -> str:
        if self.transport == "UDP":
            data, self._peer = self._socket.recvfrom(65_535)
            return data.decode(errors="replace")
        if self._listener is self._socket:
            self._socket, address = self._listener.accept()
            self.proxy_port = address[1]
            self._socket.settimeout(_TIMEOUT_S)
            if self._context:
                self._socket = self._context.wrap_socket(self._socket, server_side=True)
        while True:
            head, empty, rest = self._buffer.partition(b"\r\n\r\n")
            found = _LENGTH.search(head)
            if empty and len(rest) >= (length := int(found[1]) if found else 0):
                self._buffer = rest[length:]
                return (head + empty + rest[:length]).decode()
            data = self._socket.recv(65_535)
            if not data:
                message = "the proxy has closed the connection"
                raise ConnectionError(message)
            self._buffer += data

    def exchange(self, message: bytes, timeout_s: float = 0.5) -> str:
        """Send a request by UDP; the status line that comes back, ``""`` for no answer."""
        self.send(message)
        self._socket.settimeout(timeout_s)
        try:
            return self._next().partition("\r\n")[0]
        except TimeoutError:
            return ""
        finally:
            self._socket.settimeout(_TIMEOUT_S)


def bracketed(host: str) -> str:
    """A host as it stands in a URI."""
    return f"[{host}]" if ":" in host else host


def request(method: str, number: str, phone: Phone, **fields: str | int) -> str:
    """See ``Phone.request``."""
    here = f"{bracketed(phone.host)}:{phone.port}"
    cseq = fields.get("cseq", 1)
    uri = fields.get("uri", f"sip:{number}@demo.example")
    to = fields.get("to", f"<sip:{number}@demo.example>")
    from_ = fields.get("from_", "<sip:caller@demo.example>;tag=caller")
    body = str(fields.get("body", ""))
    unique = zlib.crc32(str(fields.get("call_id")).encode(errors="surrogateescape"))
    return (
        f"{method} {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/{phone.transport} {here};rport;"
        f"branch=z9hG4bK-{fields.get('branch', f'{cseq}{method}')}-{unique}\r\n"
        f"From: {from_}\r\n"
        f"To: {to}\r\n"
        f"Call-ID: {fields.get('call_id')}\r\n"
        f"CSeq: {cseq} {method}\r\n"
        f"Contact: <sip:caller@{here};transport={phone.transport.lower()}>\r\n"
        f"{fields.get('headers', '')}"
        "Max-Forwards: 70\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    )


def reply(request: str, status: str, phone: Phone, *, tag: str = "") -> str:
    """A response of ``phone`` to ``request``; ``tag`` goes to the To header."""
    copied = "".join(_COPIED.findall(request))
    if tag:
        copied = re.sub(
            r"^(To:.*)\r\n", rf"\1;tag={tag}\r\n", copied, flags=re.MULTILINE | re.IGNORECASE
        )
    here = f"{bracketed(phone.host)}:{phone.port}"
    return (
        f"SIP/2.0 {status}\r\n{copied}"
        f"Contact: <sip:callee@{here};transport={phone.transport.lower()}>\r\n"
        "Content-Length: 0\r\n\r\n"
    )


def header(message: str, name: str) -> str:
    """The first value of a header."""
    found = re.search(rf"^{name}: *(.*)\r\n", message, re.MULTILINE | re.IGNORECASE)
    assert found, f"no {name} in {message}"
    return found[1]
