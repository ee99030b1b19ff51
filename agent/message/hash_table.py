# SPDX-License-Identifier: GPL-2.0-or-later
"""What a script remembers from one message to the next: texts by key, within bounds."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_ENTRIES: Final = 100_000
MAX_BYTES: Final = 32 << 20
"""Of keys and values together, as on heplify-server."""


class HashTable:
    """The oldest entry makes room when there are too many, or too large ones."""

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def call(self, operation: bytes, key: bytes, value: bytes = b"") -> bytes:
        """Lua's ``HashTable("get" | "set" | "del", key, value)``; an unknown key is empty."""
        if operation == b"get":
            return self._values.get(key, b"")
        if operation == b"del":
            self._delete(key)
        elif operation == b"set":
            self._delete(key)
            self._values[key] = value
            self._bytes += len(key) + len(value)
            while len(self._values) > MAX_ENTRIES or self._bytes > MAX_BYTES:
                self._delete(next(iter(self._values)))
        return b""

    def _delete(self, key: bytes) -> None:
        if key in self._values:
            self._bytes -= len(key) + len(self._values.pop(key))
