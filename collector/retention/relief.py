# SPDX-License-Identifier: GPL-2.0-or-later
"""Does dropping lower the use of a file system?

If not, something else takes what is freed, or it is not the file system that the database is on:
then dropping more would cost all messages and help nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from collector.retention.disk import FileSystem
from collector.settings.quantity import approximate

SETTLE: Final = timedelta(seconds=5)
"""A file system may take this long to show what a drop has freed."""
HOLD: Final = timedelta(minutes=10)
"""After drops that did not help, a single one is tried again after this time."""
PROOF_SHARE: Final = 0.02
PROOF_BYTES: Final = 64 << 20
"""So much must have been dropped before it is judged: a write-ahead log breathes, too."""
TAKEN: Final = 0.8
"""Share of what was freed that others took: more than this, and dropping does not help."""


@dataclass(slots=True)
class _Episode:
    """From the first drop until the use is below the limit."""

    others: int
    """In use at its beginning, the capture tables not counted."""
    dropped: int = 0
    settled_at: datetime | None = None
    held_until: datetime | None = None
    finding: str = ""


class Relief:
    """Judges drops, one file system at a time."""

    def __init__(self) -> None:
        self._episodes: dict[int, _Episode] = {}

    def drops_allowed(
        self, disk: FileSystem, ours: int, now: datetime, *, exceeded: bool
    ) -> tuple[int | None, str]:
        """How many partitions may go for this file system now, and what is to be said.

        None is no limit. ``ours`` are the bytes of the capture tables on it, ``exceeded`` whether
        its use is above the limit at all.
        """
        if not exceeded:
            self._episodes.pop(disk.device, None)
            return None, ""
        episode = self._episodes.get(disk.device)
        if episode is None:
            self._episodes[disk.device] = _Episode(disk.used - ours)
            return None, ""
        if episode.held_until and now < episode.held_until:
            return 0, episode.finding
        taken = disk.used - ours - episode.others
        if episode.settled_at and now < episode.settled_at and taken >= TAKEN * episode.dropped:
            return 0, episode.finding
        probed = episode.held_until is not None and episode.dropped > 0
        enough = probed or episode.dropped >= max(PROOF_BYTES, PROOF_SHARE * disk.size)
        if enough and taken >= TAKEN * episode.dropped:
            episode.finding = (
                f"max_disk_percent: {approximate(episode.dropped)} were dropped, but the use of "
                f"{disk.path} did not fall: something else takes it, or retention.disk_path is "
                f"not where the database is. Nothing more is dropped for {HOLD.seconds // 60} min"
            )
            episode.others = disk.used - ours
            episode.dropped = 0
            episode.held_until = now + HOLD
            return 0, episode.finding
        if enough:
            episode.held_until = None
            episode.finding = ""
        return (1, episode.finding) if episode.held_until else (None, "")

    def dropped(self, device: int, octets: int, now: datetime) -> None:
        """A partition on this file system was dropped."""
        episode = self._episodes.get(device)
        if episode:
            episode.dropped += octets
            episode.settled_at = now + SETTLE
