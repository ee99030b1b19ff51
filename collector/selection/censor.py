# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies that must not be stored: every byte becomes an ``x``, the length stays."""

from __future__ import annotations

from collections.abc import Iterable

from collector.sip import Sip, find_empty_line


class Censor:
    """``filter.censor_methods``: messages whose body nobody may read, such as MESSAGE."""

    def __init__(self, methods: Iterable[str]) -> None:
        self._methods = frozenset(method.upper().encode() for method in methods)

    def apply(self, payload: bytes, message: Sip) -> bytes:
        """The message as it may be stored.

        A message that has one of the methods, but no empty line, is covered from the end of its
        first line on: what is its body cannot be told.
        """
        if message.method.upper() not in self._methods:
            return payload
        start = len(payload) - len(payload.lstrip(b"\r\n"))
        found = find_empty_line(payload, start, len(payload))
        end = found[1] if found else payload.find(b"\n", start) + 1 or len(payload)
        return payload[:end] + b"x" * (len(payload) - end)
