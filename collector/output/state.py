# SPDX-License-Identifier: GPL-2.0-or-later
"""The state file of an output: how far it is, what became of its records, how it feels.

Written whole and renamed, so that progress and counts are always of one moment. After a kill the
output goes on from the last one: records delivered since then are delivered again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from collector.journal import links
from collector.log import LOGGER
from collector.output.fate import Fate

FILE_NAME: Final = "state"


class Position(msgspec.Struct, frozen=True):
    """How far one writer slot is delivered."""

    segment: UUID
    octets: int
    """Offset of the first byte that is not delivered."""
    number: int
    """Number of the first record that is not delivered, counted from the slot's first use."""
    finished: bool = False
    """Nothing of the segment is left."""
    damaged: bool = False
    """Something in it could not be read: what is missing at its end is due to that."""


class State(msgspec.Struct):
    """All that an output remembers. Times are ns since 1970, 0 for never."""

    slots: dict[int, Position] = msgspec.field(default_factory=dict)
    fates: dict[Fate, int] = msgspec.field(default_factory=dict)
    target: str = ""
    connected: bool = False
    last_success: int = 0
    last_failure: int = 0
    last_error: str = ""
    """Why the last attempt failed; kept after it went well again."""
    written: int = 0
    handed: dict[int, Position] = msgspec.field(default_factory=dict)
    """How far records are handed over, of slots where that is further than they are delivered."""
    handed_fates: dict[Fate, int] = msgspec.field(default_factory=dict)
    """What would have to be added to ``fates`` if they count as delivered."""

    def count(self, fates: Mapping[Fate, int]) -> None:
        """Add to the counts."""
        for fate, count in fates.items():
            if count:
                self.fates[fate] = self.fates.get(fate, 0) + count

    def hand_over(self, slots: dict[int, Position], fates: Mapping[Fate, int]) -> bool:
        """Note what is handed over and not committed; True if that is news."""
        changed = slots != self.handed
        self.handed, self.handed_fates = slots, dict(fates)
        return changed

    def accept_handed(self) -> None:
        """Take what was handed over for delivered."""
        self.slots |= self.handed
        self.count(self.handed_fates)
        self.handed, self.handed_fates = {}, {}


def load(directory: Path) -> State | None:
    """The state in an output's directory; None when there is none that can be read."""
    path = directory / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        LOGGER.error("%s: %s: what was delivered before may come again", path, error)
        return None


def save(directory: Path, state: State) -> None:
    """Write the state; raises OSError."""
    fresh = directory / f"{FILE_NAME}.new"
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.rename(directory / FILE_NAME)


def names(journal: Path) -> list[str]:
    """The outputs that have a directory in this journal."""
    try:
        with os.scandir(journal / links.DIRECTORY) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []
