# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls, registrations and pings as they pass on a network: datagrams of numbered SIP messages."""

from __future__ import annotations

import socket

from bench import mix
from tests.system.paced_load import PacedLoad

MESSAGES = [message for message, _ in mix.messages()]


class NumberedSip(PacedLoad):
    """Sends the mix of the benchmarks; a message's number is its branch, 16 digits."""

    def __init__(self, sender: socket.socket, target: tuple[str, int], rate: float) -> None:
        """``sender`` stays its maker's; ``rate`` messages/s."""
        super().__init__(rate)
        self._sender = sender
        self._target = target

    def send(self, number: int) -> None:
        """Send one."""
        self._sender.sendto(mix.fill(MESSAGES, number), self._target)
