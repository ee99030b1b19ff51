# SPDX-License-Identifier: GPL-2.0-or-later
"""A HEP server that keeps the numbers of what it gets in a file, and can be killed.

``python -m bench.agent.server udp|tcp PORT FILE``; SIGTERM ends it in an orderly way.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.framing import Framer

_HOST: Final = "127.0.0.1"
_NUMBER: Final = re.compile(rb"branch=z9hG4bK-(\d{16})")
_ENTRY: Final = struct.Struct("<Q")
_SO_RCVBUFFORCE: Final = 33
_BUFFER_BYTES: Final = 64 << 20


class Server:
    """One server, as a process of its own."""

    def __init__(self, kind: str, port: int, file: Path) -> None:
        self.kind, self.port, self.file = kind, port, file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or be back."""
        command = [sys.executable, "-m", "bench.agent.server"]
        command += [self.kind, str(self.port), str(self.file)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout  # noqa: S101
        self._process.stdout.read(1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; nothing if it is away."""
        if self._process:
            self._process.send_signal(number)
            self._process.communicate()
            self._process = None

    def numbers(self) -> Counter[int]:
        """What it got, and how often."""
        data = self.file.read_bytes() if self.file.exists() else b""
        return Counter(number for (number,) in _ENTRY.iter_unpack(data))


def main(kind: str, port: int, file: Path) -> None:
    """Serve until SIGTERM."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    kept = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    serve = _serve_udp if kind == "udp" else _serve_tcp
    serve(port, kept, told)


def _keep(file: int, packets: Iterable[bytes]) -> None:
    found = (_NUMBER.search(packet) for packet in packets)
    os.write(file, b"".join(_ENTRY.pack(int(one[1])) for one in found if one))


def _ready() -> None:
    sys.stdout.write(".")
    sys.stdout.flush()


def _serve_udp(port: int, file: int, told: list[int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        with suppress(PermissionError):
            server.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        server.bind((_HOST, port))
        server.settimeout(0.05)
        _ready()
        while not told:
            with suppress(TimeoutError):
                _keep(file, [server.recv(65_535)])
        server.connect((_HOST, 1))  # the kernel refuses everybody else from here on
        server.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                _keep(file, [server.recv(65_535)])


def _serve_tcp(port: int, file: int, told: list[int]) -> None:
    server = socket.create_server((_HOST, port))
    framers: dict[socket.socket, Framer] = {}
    _ready()
    while framers or not told:
        sources = [*framers] if told else [server, *framers]
        for source in select.select(sources, [], [], 0.05)[0]:
            if source is server:
                framers[server.accept()[0]] = Framer()
                continue
            data = b""
            with suppress(ConnectionError):
                data = source.recv(65_536)
            _keep(file, framers[source].feed(data))
            if not data:
                del framers[source]
                source.close()
        if told and server.fileno() >= 0:
            server.close()
            for connection in framers:
                connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
