# SPDX-License-Identifier: GPL-2.0-or-later
"""A sender whose clock is days behind and runs fast: many partitions are filled within a minute."""

from __future__ import annotations

import base64
import random
import socket
from typing import Final

from collector import hep
from collector.hep import Hep
from tests.sip_text import DESTINATION, SOURCE, request
from tests.system.paced_load import PacedLoad

METHODS: Final = ("INVITE", "BYE", "REGISTER", "OPTIONS")
"""One after the other: half of the messages are calls."""
_NUMBER: Final = 999_999_999


class PastLoad(PacedLoad):
    """The packet's number is its CSeq and, with z9hG4bK-, its branch."""

    def __init__(self, port: int, *, rate: float, begin: float, speed: float, body: int) -> None:
        """``rate`` packets/s; the first has the time ``begin``, which runs ``speed`` times as fast
        as the clock."""
        super().__init__(rate)
        self._begin = begin
        self._speed = speed
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        noise = base64.b64encode(random.Random(1).randbytes(body))
        self._messages = [
            # Text that does not shrink: PostgreSQL compresses what is larger than 2 KB.
            request(method, f"call-{_NUMBER}@past", number=_NUMBER, body=noise[:body])
            for method in METHODS
        ]

    def time_of(self, number: int) -> float:
        """Capture time of a packet, seconds since 1970."""
        return self._begin + number / self._rate * self._speed

    def send(self, number: int) -> None:
        """Send one."""
        self._socket.send(self._packet(number))

    def stop(self) -> int:
        """End it; returns how many were sent."""
        sent = super().stop()
        self._socket.close()
        return sent

    def _packet(self, number: int) -> bytes:
        at = self.time_of(number)
        message = self._messages[number % len(METHODS)].replace(b"%d" % _NUMBER, b"%09d" % number)
        fields = Hep(
            *(3, hep.PROTOCOL_UDP, SOURCE, DESTINATION, 5060, 5060),
            *(int(at), int(at % 1 * 1e6), hep.TYPE_SIP, 2001, message),
        )
        return hep.encode(fields)
