# SPDX-License-Identifier: GPL-2.0-or-later
"""How the servers of -hs do, as the parent sees it from what the sender writes."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from collector.journal.counters import Counters
from collector.output import standing
from collector.output.standing import OutputStatus


class Servers:
    """Reads the states of the journal's outputs, and counts their ups and downs."""

    def __init__(self, journal: Path, names: Collection[str]) -> None:
        """Raises JournalError when the journal cannot be used."""
        self._journal = journal
        self._names = names
        self.counters = Counters(journal)
        self._lock = threading.Lock()
        self._last: dict[str, OutputStatus] = {}
        self.failures = 0
        """Times that a server could not be reached."""
        self.recoveries = 0
        """Times that one was back."""

    def read(self) -> list[OutputStatus]:
        """All servers; call it about every second, so that no failure is missed."""
        with self._lock:
            found = [
                one if one.unsent else replace(one, octets=0)
                for one in standing.read(self._journal, self.counters)
                if one.name in self._names
            ]
            for one in found:
                last = self._last.get(one.name)
                if last and one.state.last_failure != last.state.last_failure:
                    self.failures += 1
                if last and one.is_up and not last.is_up:
                    self.recoveries += 1
                self._last[one.name] = one
            return found
