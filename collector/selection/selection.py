# SPDX-License-Identifier: GPL-2.0-or-later
"""All steps of the selection together, as the settings have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson

from collector.causes import Cause
from collector.copy_binary import clean
from collector.errors import SettingsError
from collector.hep import Hep
from collector.selection.candidate import Candidate
from collector.selection.censor import Censor
from collector.selection.duplicates import DuplicateFilter, Key
from collector.selection.filters import (
    AddressFilter,
    ExpressionFilter,
    Filter,
    MethodFilter,
    SampleFilter,
    UserAgentFilter,
)
from collector.selection.headers import Headers
from collector.selection.hook import Hook
from collector.selection.passwords import Passwords
from collector.settings import Settings
from collector.sip import Kind, Sip

Part = TypeVar("Part")


class Selected(NamedTuple):
    """A packet as it is stored."""

    packet: Hep
    message: Sip | None
    node: bytes
    aleg_id: bytes = b""
    """Clean text; ``b""`` when there is none."""
    headers: bytes = b""
    """A JSON object; ``b""`` when there is none."""
    aleg_header: str = ""
    """Which header gave the A-leg id."""


class Selection:
    """The steps that the settings ask for."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError that names the setting; nothing is opened before ``open``."""
        chosen = settings.filter
        self._passwords = _part("senders.passwords", Passwords, settings.senders.passwords)
        self._filters: list[Filter] = [
            part
            for part in (
                _part("filter.discard_addresses", AddressFilter, chosen.discard_addresses),
                _part("filter.discard_methods", MethodFilter, chosen.discard_methods),
                _part("filter.discard_user_agents", UserAgentFilter, chosen.discard_user_agents),
                _part("filter.discard_expression", ExpressionFilter, chosen.discard_expression),
            )
            if part
        ]
        percent = {kind: getattr(chosen, f"sample_{kind.label}") for kind in Kind}
        if any(share < 100 for share in percent.values()):
            self._filters.append(SampleFilter(percent))
        self._window = chosen.duplicate_window
        self._key = Key(chosen.duplicate_key)
        self._duplicates: DuplicateFilter | None = None
        self._censor = _part("filter.censor_methods", Censor, chosen.censor_methods)
        self._hook = Hook(Path(settings.hook.file)) if settings.hook.file else None
        self._headers = _headers(settings)
        self._force = settings.correlation.force
        self._max_field_bytes = settings.sip.max_field_bytes
        self._journal = Path(settings.journal.directory)

    @property
    def is_needed(self) -> bool:
        """Whether any step is set."""
        parts = (self._passwords, self._filters, self._window)
        return any((*parts, self._censor, self._hook, self._headers))

    @property
    def hook_faults(self) -> int:
        """Calls of the user's functions that failed, since the start."""
        return self._hook.faults if self._hook else 0

    def open(self) -> None:
        """Map what is shared with the other ingest processes. Raises OSError."""
        if self._window:
            self._duplicates = DuplicateFilter(self._journal, self._window, self._key)
            self._filters.append(self._duplicates)

    def close(self) -> None:
        """Unmap it."""
        if self._duplicates:
            self._filters.remove(self._duplicates)
            self._duplicates.close()
            self._duplicates = None

    def accepts(self, packet: Hep) -> bool:
        """Whether the packet's capture password is right; always when none is set."""
        return self._passwords is None or self._passwords.accepts(packet)

    def select_run(self, candidates: Sequence[Candidate]) -> list[Selected | Cause]:
        """``select`` for packets that belong together.

        Only while the table of duplicates is asked do other processes wait: not for the user's
        functions.
        """
        with self._duplicates.locked() if self._duplicates else nullcontext():
            causes = [self._discard(candidate) for candidate in candidates]
        return [
            self._form(candidate) if cause is None else cause
            for candidate, cause in zip(candidates, causes, strict=True)
        ]

    def select(self, candidate: Candidate) -> Selected | Cause:
        """The packet as it is stored, or why it is not."""
        cause = self._discard(candidate)
        return self._form(candidate) if cause is None else cause

    def _discard(self, candidate: Candidate) -> Cause | None:
        for part in self._filters:
            if part.discards(candidate):
                return part.cause
        return None

    def _form(self, candidate: Candidate) -> Selected | Cause:
        headers: dict[str, str | int | float] = {}
        aleg_id, aleg_header = b"", ""
        if self._headers and candidate.message:
            aleg_id, aleg_header, custom = self._headers.find(
                candidate.packet.payload, self._max_field_bytes
            )
            headers.update(custom)
        if self._hook:
            outcome = self._hook.apply(candidate)
            if outcome is None:
                return Cause.HOOK_DROPPED
            candidate = outcome[0]
            headers |= outcome[1]
        _, packet, message, node = candidate
        if message:
            if aleg_id and (self._force or packet.correlation_id in (b"", message.call_id)):
                packet = packet._replace(correlation_id=aleg_id)
            if self._censor:
                covered = self._censor.apply(packet.payload, message)
                if covered is not packet.payload:
                    # The row asks the payload whether texts need cleaning: not of this one.
                    message = _clean(message, packet.payload, self._max_field_bytes)
                    packet = packet._replace(payload=covered)
        dumped = orjson.dumps(headers) if headers else b""
        return Selected(packet, message, node, aleg_id, dumped, aleg_header)


def _clean(message: Sip, payload: bytes, max_bytes: int) -> Sip:
    """The message with texts that fit columns, as the row makes them of such a payload."""
    if payload.isascii() and b"\0" not in payload:
        return message
    texts = {name: text for name, text in message._asdict().items() if isinstance(text, bytes)}
    cleaned, fault = clean(tuple(texts.values()), max_bytes)
    changed: dict[str, Any] = dict(zip(texts, cleaned, strict=True))
    return message._replace(**changed, fault=message.fault or fault)


def _part(name: str, make: Callable[..., Part], value: object) -> Part | None:
    """One step from its setting; None when the setting is empty."""
    if not value:
        return None
    try:
        return make(value)
    except ValueError as error:
        message = f"{name}: {error}"
        raise SettingsError(message) from error


def _headers(settings: Settings) -> Headers | None:
    names = settings.correlation.headers, settings.sip.custom_headers
    if not any(names):
        return None
    # Each list apart, so that an error names its setting.
    _part("correlation.headers", lambda names: Headers(names, ()), names[0])
    _part("sip.custom_headers", lambda names: Headers((), names), names[1])
    return Headers(*names)
