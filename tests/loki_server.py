# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for Loki's push API that takes nothing the real one would not take.

Written after Loki's HTTP API reference: POST /loki/api/v1/push, JSON, gzip; 204 without a body;
400 with a sentence when lines are refused, while the good ones of the same push are kept.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.receivers import number_of

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_MAX_LABELS: Final = 15
_MAX_LINE: Final = 256 << 10
_TOO_OLD_NS: Final = 3600 * 10**9

Stream = tuple[tuple[str, str], ...]


class LokiServer:
    """Keeps lines by stream; can be away, busy, or refuse lines that contain ``poison``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: defaultdict[Stream, list[tuple[int, str, dict[str, str]]]] = defaultdict(list)
        self.numbers: Counter[int] = Counter()
        self.pushes: list[int] = []
        """Lines of each push that was well formed."""
        self.headers: list[dict[str, str]] = []
        self.faults: list[str] = []
        """What was wrong with pushes that were not well formed."""
        self.poison = "\0never\0"
        self.answers: list[int] = []
        """Statuses for the next pushes, which are not taken."""
        self._server: ThreadingHTTPServer | None = None

    @property
    def lines(self) -> list[str]:
        """All lines of all streams."""
        return [line for entries in self.streams.values() for _, line, _ in entries]

    def start(self) -> None:
        """Listen."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = owner.push(self.path, dict(self.headers), data)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be away."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def push(self, path: str, headers: dict[str, str], data: bytes) -> tuple[int, str]:
        """Status and text of the answer."""
        if self._server is None:  # a connection of before
            return 503, "away"
        if self.answers:
            return self.answers.pop(0), "not now"
        self.headers.append(headers)
        try:
            found = _parse(path, headers, data)
        except (AssertionError, ValueError, KeyError, TypeError, OSError) as error:
            self.faults.append(f"{type(error).__name__}: {error}")
            return 400, self.faults[-1]
        self.pushes.append(len(found))
        refused = [
            line
            for labels, ts, line, metadata in found
            if not self._take(labels, ts, line, metadata)
        ]
        if refused:
            return 400, f"total ignored: {len(refused)} out of {len(found)}"
        return 204, ""

    def _take(self, labels: Stream, ts: int, line: str, metadata: dict[str, str]) -> bool:
        entries = self.streams[labels]
        newest = max((entry[0] for entry in entries[-1000:]), default=0)
        if self.poison in line or len(line.encode()) > _MAX_LINE or ts < newest - _TOO_OLD_NS:
            return False
        entries.append((ts, line, metadata))
        number = number_of(line.encode())
        if number is not None:
            self.numbers[number] += 1
        return True


def _parse(
    path: str, headers: dict[str, str], data: bytes
) -> list[tuple[Stream, int, str, dict[str, str]]]:
    assert path == "/loki/api/v1/push", path
    assert headers["Content-Type"] == "application/json", headers
    assert headers["Content-Encoding"] == "gzip", headers
    document: Any = json.loads(gzip.decompress(data).decode())
    assert set(document) == {"streams"}, "keys of the document"
    found = []
    for stream in document["streams"]:
        assert set(stream) == {"stream", "values"}, "keys of a stream"
        labels = stream["stream"]
        assert 0 < len(labels) <= _MAX_LABELS, labels
        for name, value in labels.items():
            assert _LABEL.match(name), name
            assert isinstance(value, str), value
            assert value, f"{name} is empty"
        assert stream["values"], "a stream without lines"
        for entry in stream["values"]:
            assert len(entry) in (2, 3), entry
            assert re.fullmatch(r"\d{19}", entry[0]), entry[0]
            assert isinstance(entry[1], str), entry
            metadata = entry[2] if len(entry) == 3 else {}
            assert all(isinstance(value, str) for value in metadata.values()), metadata
            found.append((tuple(sorted(labels.items())), int(entry[0]), entry[1], metadata))
    return found
