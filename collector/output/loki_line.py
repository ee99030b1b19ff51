# SPDX-License-Identifier: GPL-2.0-or-later
"""Journal records as lines of Loki streams. Nothing is sent here."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from collector import forms
from collector.causes import Cause
from collector.journal.record import Record
from collector.output import label
from collector.output.admission import admit
from collector.output.fate import Fate
from collector.row import transport
from collector.selection import Selected, Selection
from collector.selection.candidate import Candidate
from collector.settings import Settings

JOB: Final = "kemiscope"
STREAM_KEPT_S: Final = 3600.0
"""A stream that is silent for this long makes room for another."""
_SWEEP_S: Final = 60.0
_FEW: Final = ("job", "hostname", "type")
"""Labels that stay when there are too many streams."""

Values: TypeAlias = tuple[str, ...]


class Line(NamedTuple):
    """One line; ``labels`` are values in the order of the setting, ``ts`` is ns since 1970."""

    labels: Values
    ts: int
    text: str
    metadata: dict[str, str]


class _Known(NamedTuple):
    """What is remembered of a stream."""

    newest: int
    used: float


class LineMaker:
    """Makes lines, and sees to it that streams are few and times go forward."""

    def __init__(self, settings: Settings, selection: Selection) -> None:
        self._types = frozenset(settings.loki.types)
        self._names = settings.loki.labels
        self._metadata = settings.loki.metadata
        self._max_streams = settings.loki.max_streams
        self._window = int(settings.loki.out_of_order * 1e9)
        self._past = int(settings.clock.accept_past * 1e9)
        self._future = int(settings.clock.accept_future * 1e9)
        self._hostname = settings.node.name
        self._selection = selection
        self._streams: dict[Values, _Known] = {}
        self._swept = 0.0

    def make(self, found: Record) -> Line | Fate:
        """The line of a record, or why there is none."""
        packet = admit(found, self._selection)
        if isinstance(packet, Fate):
            return packet
        if packet.type not in self._types:
            return Fate.TYPE
        packet, message = forms.extract(packet)
        selected = self._selection.select(Candidate(found.id, packet, message, packet.node))
        if isinstance(selected, Cause):
            return Fate.FILTERED
        ts = packet.seconds * 1_000_000_000 + packet.microseconds * 1000
        if not ts or not -self._past <= ts - found.id <= self._future:
            ts = found.id
        labels, ts = self._place(self._values(selected, self._names), ts)
        metadata = (
            dict(zip(self._metadata, self._values(selected, self._metadata), strict=True))
            if self._metadata
            else {}
        )
        return Line(labels, ts, selected.packet.payload.decode("utf-8", "replace"), metadata)

    def _values(self, selected: Selected, names: Values) -> Values:
        return tuple(
            self._hostname if name == "hostname" else _FIELDS[name](selected) for name in names
        )

    def _place(self, labels: Values, ts: int) -> tuple[Values, int]:
        """The stream for these labels and the time that it accepts."""
        known = self._streams.get(labels)
        if known is None:
            now = time.monotonic()
            if len(self._streams) >= self._max_streams and now - self._swept > _SWEEP_S:
                self._swept = now
                self._streams = {
                    key: item
                    for key, item in self._streams.items()
                    if now - item.used < STREAM_KEPT_S
                }
            if len(self._streams) >= self._max_streams:
                labels = tuple(
                    value if name in _FEW else label.OTHER
                    for name, value in zip(self._names, labels, strict=True)
                )
            known = self._streams.get(labels, _Known(ts, 0))
        ts = max(ts, known.newest - self._window)
        self._streams[labels] = _Known(max(ts, known.newest), time.monotonic())
        return labels, ts


def body(names: Values, lines: Iterable[Line]) -> bytes:
    """The JSON document of one push (Loki HTTP API, /loki/api/v1/push)."""
    streams: dict[Values, list[list[Any]]] = {}
    for line in lines:
        entry: list[Any] = [str(line.ts), line.text]
        metadata = {name: value for name, value in line.metadata.items() if value}
        if metadata:
            entry.append(metadata)
        streams.setdefault(line.labels, []).append(entry)
    return orjson.dumps(
        {
            "streams": [
                {
                    "stream": {
                        name: value for name, value in zip(names, labels, strict=True) if value
                    },
                    "values": entries,
                }
                for labels, entries in streams.items()
            ]
        }
    )


def _address(octets: bytes) -> str:
    return str(ipaddress.ip_address(octets)) if octets else ""


def _party(user: bytes, domain: bytes) -> str:
    return label.text(user + b"@" + domain if user and domain else user or domain)


_FIELDS: Final[dict[str, Callable[[Selected], str]]] = {
    "job": lambda _: JOB,
    "node": lambda selected: label.text(selected.node),
    "type": lambda selected: label.type_name(selected.packet.type),
    "method": lambda selected: label.method_name(selected.message) if selected.message else "",
    "response": lambda selected: label.response_name(selected.message) if selected.message else "",
    "protocol": lambda selected: (
        transport(selected.packet.protocol, selected.message.via_transport).decode().lower()
        if selected.message
        else ""
    ),
    "src_ip": lambda selected: _address(selected.packet.src_ip),
    "dst_ip": lambda selected: _address(selected.packet.dst_ip),
    "src_port": lambda selected: str(selected.packet.src_port),
    "dst_port": lambda selected: str(selected.packet.dst_port),
    "from": lambda selected: (
        _party(selected.message.from_user, selected.message.from_domain) if selected.message else ""
    ),
    "to": lambda selected: (
        _party(selected.message.to_user, selected.message.to_domain) if selected.message else ""
    ),
    "call_id": lambda selected: label.text(
        selected.message.call_id if selected.message else selected.packet.correlation_id
    ),
}
"""What a label or a piece of metadata says; ``LOKI_FIELDS`` of the settings has the same names."""
