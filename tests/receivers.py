# SPDX-License-Identifier: GPL-2.0-or-later
"""Receivers of HEP that can be away: TCP, TLS, UDP. They keep the numbers of what they got."""

from __future__ import annotations

import re
import select
import socket
import ssl
import subprocess
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from collector import hep
from collector.causes import Cause
from collector.framing import Framer

_NUMBER: Final = re.compile(rb"branch=z9hG4bK-(\d{16})")
_HOST: Final = "127.0.0.1"
_SO_RCVBUFFORCE: Final = 33
"""Linux; the module socket does not have it."""
_BUFFER_BYTES: Final = 256 << 20


def number_of(text: bytes) -> int | None:
    """The number that ``bench.load`` gives each packet; None without one."""
    found = _NUMBER.search(text)
    return int(found[1]) if found else None


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
        "-addext",
        f"subjectAltName=IP:{_HOST}",
    ]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class Receiver(ABC):
    """One collector. ``stop`` is sudden: over a stream, what it has not read is lost, as when it is
    killed. ``end`` is orderly.
    """

    kind = ""
    """udp, tcp or tls, as in the settings."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.host = _HOST
        self.heard: Callable[[int], None] | None = None
        """Called with each number in the order of arrival."""
        self.numbers: Counter[int] = Counter()
        self.packets: list[bytes] = []
        self.keep = False
        """Whether whole packets are kept."""
        self.faults: list[str] = []
        self._running = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen."""
        self._running = True
        self._listen()

    def stop(self) -> None:
        """Be away."""
        self._running = False
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def end(self) -> None:
        """Be away, having read everything that was accepted."""
        self.stop()

    @abstractmethod
    def _listen(self) -> None: ...

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _take(self, packet: bytes) -> None:
        if self.keep:
            self.packets.append(packet)
        decoded = hep.decode(packet)
        if isinstance(decoded, Cause):
            self.faults.append(f"{decoded.label}: {packet[:40]!r}")
            return
        number = number_of(decoded.payload)
        if number is not None:
            self.numbers[number] += 1
            if self.heard:
                self.heard(number)


class DatagramReceiver(Receiver):
    """UDP. It ends in an orderly way: that a datagram was not read, no sender can know."""

    kind = "udp"

    def _listen(self) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Beyond net.core.rmem_max, where that is allowed: this thread may have to wait for long.
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            with suppress(PermissionError):
                server.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
                break
        server.bind((self.host, self.port))
        server.settimeout(0.05)

        def receive() -> None:
            with server:
                while self._running:
                    with suppress(TimeoutError):
                        self._take(server.recv(65_535))
                # From here on the kernel refuses datagrams, but for those of nobody. (Or the
                # network is gone.)
                with suppress(OSError):
                    server.connect((self.host, 1))
                server.setblocking(False)
                with suppress(BlockingIOError):
                    while True:
                        self._take(server.recv(65_535))

        self._run(receive)


class StreamReceiver(Receiver):
    """TCP, or TLS when it has a certificate and a key."""

    def __init__(self, port: int, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__(port)
        self.connections = 0
        self.hangs = False
        """It stays connected and does not read."""
        self._ending = False
        self._context: ssl.SSLContext | None = None
        self.kind = "tls" if certificate else "tcp"
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)

    def end(self) -> None:
        """Close the sending side of each connection, and read on to its end."""
        self._ending = True
        self.stop()
        self._ending = False

    def _listen(self) -> None:
        server = socket.create_server((self.host, self.port))
        server.settimeout(0.05)

        def accept() -> None:
            with server:
                while self._running:
                    with suppress(TimeoutError):
                        connection = server.accept()[0]
                        self.connections += 1
                        self._run(partial(self._receive, connection))

        self._run(accept)

    def _receive(self, connection: socket.socket) -> None:
        framer = Framer()
        connection.settimeout(2)
        with suppress(OSError), connection:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while self._running and self._read(connection, framer):
                    pass
                if self._ending:
                    # TLS must not forget how to read.
                    socket.socket.shutdown(connection, socket.SHUT_WR)
                    while self._read(connection, framer):
                        pass

    def _read(self, connection: socket.socket, framer: Framer) -> bool:
        """Take what there is; False at the end."""
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending()
        if self.hangs or not (pending or select.select([connection], [], [], 0.05)[0]):
            return True
        data = connection.recv(65_536)
        for packet in framer.feed(data):
            self._take(packet)
        if framer.error is not None:
            self.faults.append(framer.error.label)
        return bool(data) and framer.error is None
