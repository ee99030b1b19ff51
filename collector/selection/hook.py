# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's own functions: each sees every packet before it is stored, and may change it.

A fault in one of them is counted and logged, and the packet goes on as it was.
"""

from __future__ import annotations

import ipaddress
import math
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from collector.errors import SettingsError
from collector.hep import TYPE_SIP, Hep
from collector.log import LimitedLog, one_line
from collector.selection.candidate import Candidate
from collector.sip import COLUMN_FIELDS, Kind

_TEXT_FIELDS: Final = frozenset(COLUMN_FIELDS) - {
    "kind",
    "status",
    "cseq",
    "fault",
    "via_transport",
}


@dataclass(slots=True)
class Message:
    """What a function of the hook file is called with. Texts are ``str``; ``""`` where absent.

    A change of a field changes the column, not the raw message; a change of ``raw`` changes the
    stored message, not the columns.
    """

    type: int
    """HEP protocol type: 1 SIP, 5 RTCP, 100 log …"""
    raw: bytes
    node: str
    correlation_id: str
    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    capture_id: int
    received_at: float
    """Time of arrival, seconds since 1970."""
    kind: str = ""
    """``call``, ``registration`` or ``other``: the table; empty when it is not SIP."""
    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    """The other columns of a SIP message by name: call_id, method, from_user, user_agent …"""
    headers: dict[str, str | int | float] = field(default_factory=dict)
    """Further headers for the column ``headers``: add what is to be searched by."""
    dropped: bool = False

    def drop(self) -> None:
        """Leave the packet out; it is counted as hook_dropped."""
        self.dropped = True


Function = Callable[[Message], object]


class Hook:
    """The functions of ``hook.file``, called in the order of the file."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError when the file cannot be run or has no public function."""
        module = types.ModuleType("kemiscope_hook")
        module.__file__ = str(path)
        module.__dict__["Message"] = Message
        try:
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102
        except (Exception, SystemExit) as error:
            message = f"hook.file: {path}: {type(error).__name__}: {error}"
            raise SettingsError(message) from error
        self._functions: list[Function] = [
            value
            for name, value in vars(module).items()
            if isinstance(value, types.FunctionType)
            and value.__code__.co_filename == str(path)
            and not name.startswith("_")
        ]
        if not self._functions:
            message = f"hook.file: {path} has no public function: define one, def edit(message): …"
            raise SettingsError(message)
        self.faults = 0
        """Calls that ended with an exception, since the start."""
        self._limited = LimitedLog()

    def apply(self, candidate: Candidate) -> tuple[Candidate, dict[str, str | int | float]] | None:
        """The candidate after all functions and the headers they added; None when dropped.

        What a function did before it failed is undone with it.
        """
        message = _view(candidate)
        result = candidate
        headers: dict[str, str | int | float] = {}
        for function in self._functions:
            try:
                function(message)
                if message.dropped:
                    return None
                checked = _checked(message.headers)
                result = _take_over(candidate, message)
                headers = checked
            except (Exception, SystemExit) as error:  # noqa: BLE001 (the user must not stop us)
                self.faults += 1
                name = getattr(function, "__name__", "?")
                text = one_line(f"{type(error).__name__}: {error}")
                self._limited.warn(name, f"hook.file: {name}: {text}; the packet goes on")
                message = _view(result)
                message.headers = dict(headers)
        return result, headers


def _view(candidate: Candidate) -> Message:
    packet, message = candidate.packet, candidate.message
    view = Message(
        packet.type,
        packet.payload,
        candidate.node.decode("utf-8", "replace"),
        packet.correlation_id.decode("utf-8", "replace"),
        _address(packet.src_ip),
        packet.src_port,
        _address(packet.dst_ip),
        packet.dst_port,
        packet.capture_id,
        candidate.record_id / 1e9,
    )
    if message:
        view.kind = message.kind.label
        view.status = message.status
        view.fields = {
            name: value.decode("utf-8", "replace")
            for name, value in message._asdict().items()
            if name in _TEXT_FIELDS
        }
    return view


def _take_over(candidate: Candidate, view: Message) -> Candidate:
    """The candidate with what the functions changed; raises what a wrong type or value raises."""
    packet: Hep = candidate.packet._replace(
        payload=_raw(view.raw),
        correlation_id=_changed(candidate.packet.correlation_id, view.correlation_id),
        src_ip=_packed(view.src_ip),
        src_port=_port(view.src_port),
        dst_ip=_packed(view.dst_ip),
        dst_port=_port(view.dst_port),
    )
    node = _changed(candidate.node, view.node)
    message = candidate.message
    if message is None:
        if view.kind or view.fields:
            text = f"kind and fields are for SIP (type {TYPE_SIP}) only"
            raise ValueError(text)
        return candidate._replace(packet=packet, node=node)
    unknown = view.fields.keys() - _TEXT_FIELDS
    if unknown:
        text = f"there is no field {min(unknown)!r}"
        raise ValueError(text)
    # Whether texts need cleaning is told by the raw message: with another one they must be clean.
    same = packet.payload == candidate.packet.payload
    before = message._asdict() if same else {}
    changed: dict[str, Any] = {
        name: _changed(before.get(name), value) for name, value in view.fields.items()
    }
    message = message._replace(kind=Kind[view.kind.upper()], status=_status(view.status), **changed)
    return candidate._replace(packet=packet, node=node, message=message)


def _changed(before: bytes | None, after: str) -> bytes:
    """The text in bytes; what was not touched keeps the bytes that were received."""
    if before is not None and before.decode("utf-8", "replace") == after:
        return before
    return _without_nul(after).encode()


def _checked(headers: dict[Any, Any]) -> dict[str, str | int | float]:
    """What a function added, as JSON and PostgreSQL can hold it; raises TypeError or ValueError."""
    checked: dict[str, str | int | float] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            text = f"headers: {name!r}: {value!r} is no text and no number"
            raise TypeError(text)
        if isinstance(value, float) and not math.isfinite(value):
            text = f"headers: {name!r}: JSON has no {value}"
            raise ValueError(text)
        checked[_without_nul(name)] = _without_nul(value) if isinstance(value, str) else value
    if checked:
        orjson.dumps(checked)  # refuses numbers beyond 64 bits and half surrogates
    return checked


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _raw(value: object) -> bytes:
    if not isinstance(value, bytes | bytearray):
        text = f"raw: {type(value).__name__} instead of bytes"
        raise TypeError(text)
    return bytes(value)


def _address(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if packed else ""


def _packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed if text else b""


def _port(value: int) -> int:
    if not 0 <= value <= 65_535:
        text = f"{value} is no port"
        raise ValueError(text)
    return value


def _status(value: int) -> int:
    if not (value == 0 or 100 <= value <= 699):
        text = f"{value} is no status"
        raise ValueError(text)
    return value
