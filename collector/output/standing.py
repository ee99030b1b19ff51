# SPDX-License-Identifier: GPL-2.0-or-later
"""How every output of a journal does, read from its directory: its process may be gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collector.journal import links, segment
from collector.journal.counters import Counters, Field, held
from collector.output import state as state_file
from collector.output.state import State


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """One output, as of its last written state."""

    name: str
    state: State
    running: bool
    """Whether the process of the outputs lives."""
    waiting: int
    """Records that were linked for it and are neither delivered nor given up."""
    octets: int
    """Size of the segments that it has not finished."""

    @property
    def unsent(self) -> int:
        """Those of ``waiting`` that the receiver has not been handed: the others only settle."""
        return max(0, self.waiting - sum(self.state.handed_fates.values()))

    @property
    def is_up(self) -> bool:
        """Whether nothing is known to be wrong with the receiver."""
        return self.state.connected or self.state.last_failure <= self.state.last_success


def read(journal: Path, counters: Counters) -> list[OutputStatus]:
    """All outputs that have a directory in the journal."""
    names = state_file.names(journal)
    if not names:
        return []
    with held(journal / links.DIRECTORY) as is_free:
        running = not is_free
    found = []
    for name in names:
        directory = links.output_directory(journal, name)
        state = state_file.load(directory) or State()
        octets = sum(link.octets for link in links.linked(journal, name))
        waiting = _waiting(directory, state, counters)
        found.append(OutputStatus(name, state, running, waiting, octets))
    return found


def _waiting(directory: Path, state: State, counters: Counters) -> int:
    waiting = 0
    for slot_directory in segment.slot_directories(directory):
        slot = int(slot_directory.name)
        position = state.slots.get(slot)
        done = position.number if position else links.read_origin(slot_directory)
        journaled = counters.slot(slot)[Field.JOURNALED]
        waiting += max(0, journaled - done) if done is not None else 0
    return waiting
