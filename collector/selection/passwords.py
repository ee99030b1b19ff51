# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture password (HEP chunk 0x000e), checked per capture id."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from collector.hep import Hep

ANY: Final = "*"
_MAX_ID: Final = 2**32 - 1


class Passwords:
    """Which password each capture agent must send."""

    def __init__(self, entries: Iterable[str]) -> None:
        """``entries`` are ``capture id:password`` or ``*:password``; raises ValueError."""
        self._default: bytes | None = None
        self._passwords: dict[int, bytes] = {}
        for number, entry in enumerate(entries, 1):
            name, colon, password = entry.partition(":")
            if not colon or not password:
                message = f"entry {number} must be like 2001:password or {ANY}:password"
                raise ValueError(message)
            if name == ANY:
                self._default = password.encode()
            elif name.isascii() and name.isdigit() and int(name) <= _MAX_ID:
                self._passwords[int(name)] = password.encode()
            else:
                message = f"entry {number} begins with neither a capture id nor {ANY}"
                raise ValueError(message)

    def accepts(self, packet: Hep) -> bool:
        """Whether the packet has the password of its capture id.

        An agent that is not listed is refused unless there is one for all. HEPv1 and v2 carry no
        password, so they are refused.
        """
        expected = self._passwords.get(packet.capture_id, self._default)
        return expected is not None and hmac.compare_digest(packet.auth_key, expected)
