# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies that must not be stored: every byte becomes an ``x``, the length stays."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from collector.sip import Sip

_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")


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
        found = _BLANK_LINE.search(payload, start)
        end = found.end() if found else payload.find(b"\n", start) + 1 or len(payload)
        return payload[:end] + b"x" * (len(payload) - end)
