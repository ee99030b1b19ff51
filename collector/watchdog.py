# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the capture node still do its work? Asked by a process that does nothing else.

A process that ends takes Kamailio with it, and the service manager starts all again; this is about
one that hangs. A database that is away is no reason: the journal is there for that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from collector.journal.counters import Counters, Field, Role, held
from collector.kernel import UdpSocket, udp_sockets
from collector.settings import Settings
from collector.settings.endpoint import parse_endpoint

BEAT_S: Final = 1.0
LONGEST_BEAT_S: Final = 30.0
"""An event loop that has not turned for so long hangs; a COPY of the largest batch takes less."""
_LOOPS: Final = frozenset((Role.LISTENER, Role.INGEST))


class Watchdog:
    """Compares each look with the one before."""

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        sockets: Callable[[], Sequence[UdpSocket]] | None = None,
    ) -> None:
        """``sockets`` tells those of ``hep.listen`` as the kernel sees them."""
        endpoints = [parse_endpoint(listen) for listen in settings.hep.listen]
        self._journal = Path(settings.journal.directory)
        self._counters = counters
        self._sockets = sockets or (lambda: udp_sockets(endpoints))
        self._received = -1
        self._waited = False

    def hung(self) -> str:
        """What hangs, in words; empty when nothing does. Looks are some seconds apart."""
        return self._udp() or self._loops()

    def _udp(self) -> str:
        """Datagrams wait in the kernel at two looks, and nobody took one in between."""
        waits = any(item.queued_octets for item in self._sockets())
        received = sum(self._counters.slot(slot)[Field.RECEIVED] for slot in self._slots(Role.UDP))
        stands = waits and self._waited and received == self._received
        self._waited, self._received = waits, received
        return "datagrams wait, and no UDP worker takes them" if stands else ""

    def _loops(self) -> str:
        now = time.time_ns()
        for role in _LOOPS:
            for number in self._slots(role):
                beat = self._counters.slot(number)[Field.BEAT]
                if beat and now - beat > LONGEST_BEAT_S * 1e9 and self._is_alive(number):
                    return f"{role.name.lower()} process {self._counters.slot(number)[Field.PID]}"
        return ""

    def _slots(self, role: Role) -> list[int]:
        return [
            n for n in self._counters.used_slots() if self._counters.slot(n)[Field.ROLE] == role
        ]

    def _is_alive(self, number: int) -> bool:
        with held(self._journal / f"{number:02d}") as is_free:
            return not is_free


async def beat(slot: memoryview[int]) -> None:
    """Note in the process's slot that its event loop turns; for a task of its own."""
    while True:
        slot[Field.BEAT] = time.time_ns()
        await asyncio.sleep(BEAT_S)
