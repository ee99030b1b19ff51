# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's journal: where it is, how much it holds, and what an earlier agent has left in it.

Without -hep-buffer-activate it is in memory, small, and gone with the agent; with it on the disk,
beside -hep-buffer-file, and what waits in it survives restart and kill. Either way it is written
and read as a capture node's, but for ingest: only the links of the outputs keep a segment.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from agent.flags.options import Options
from agent.sending import message_log, place, spool_file
from collector.errors import JournalError
from collector.journal import links, segment
from collector.journal.counters import Counters, Field, Role, held
from collector.journal.writer import Writer, reconcile
from collector.log import LOGGER
from collector.output import standing
from collector.output import state as state_file
from collector.output.configured import relay_name
from collector.settings.endpoint import Endpoint

MEMORY_BYTES: Final = 32 << 20
"""Most that waits in memory: half a minute at 1,000 messages a second."""
UNLIMITED: Final = 1 << 62
_SEGMENTS: Final = 8
"""A full journal has about so many for each writer: one at a time is dropped."""
_SMALLEST_SEGMENT: Final = 64 << 10
_LARGEST_SEGMENT: Final = 4 << 20
_LONGEST_RECORD: Final = 64 << 10
_SEGMENT_S: Final = 3600.0
_ROOM_S: Final = 0.01
_RENAMED: Final = "%s: what waits for %s is sent to %s now"


class Journal:
    """The journal of this agent, and of no other as long as it runs. Made before the first fork."""

    def __init__(self, options: Options) -> None:
        """Take it, with what an earlier agent has left. Raises JournalError."""
        self.outputs = output_names(options)
        self.is_memory = not options.hep_buffer_activate
        base = place.in_memory() if self.is_memory else place.on_disk(options.hep_buffer_file)
        try:
            self.directory, self._lock = place.claim(base, self.outputs)
            if self.is_memory:
                place.remove_old(base)
            _adopt(self.directory, list(self.outputs))
            self._min_free_bytes = place.kept_free(self.directory)
            free = place.free_bytes(self.directory) - self._min_free_bytes
        except OSError as error:
            message = f"{base}: {error.strerror or error}"
            raise JournalError(message) from error
        if self.is_memory:
            self.max_bytes = min(MEMORY_BYTES, max(free, 0) // 2)
        else:
            self.max_bytes = options.hep_buffer_max_size or UNLIMITED
        self._workers = options.workers
        share = self.max_bytes // (_SEGMENTS * (self._workers + 1))
        self._segment_bytes = max(_SMALLEST_SEGMENT, min(share, _LARGEST_SEGMENT))
        self._counters = Counters(self.directory)
        self._room_until = 0.0
        self._sweep()
        if not self.is_memory:
            self._take_in(options.hep_buffer_file)

    def writer(self) -> Writer:
        """Open the writer of a worker, in its own process. Raises JournalError."""
        return Writer(
            self.directory,
            Role.AGENT,
            segment_bytes=self._segment_bytes,
            segment_seconds=_SEGMENT_S,
            max_bytes=UNLIMITED,  # that of the outputs is the limit
            min_free_bytes=self._min_free_bytes,
            outputs=dict.fromkeys(self.outputs, self._limit),
            keeps_ended=False,
        )

    @property
    def _limit(self) -> int:
        """Bytes of links that an output may have before a writer begins another segment.

        So that all of it stays below ``max_bytes`` while every writer fills its segment, the last
        record of which may reach beyond the end.
        """
        segments = self._workers * (self._segment_bytes + _LONGEST_RECORD)
        least = segments + 2 * self._segment_bytes
        return max(self.max_bytes - segments + self._segment_bytes, least)

    def has_room(self) -> bool:
        """Whether what waits to be sent is far from the limit. For a source that can wait: a file.

        It may be asked often: what takes some 0.2 ms to find out stays true for 10 ms.
        """
        now = time.monotonic()
        if now < self._room_until or self.max_bytes == UNLIMITED:
            return True
        records = octets = 0
        for number in self._counters.used_slots():
            slot = self._counters.slot(number)
            records += slot[Field.JOURNALED]
            octets += slot[Field.JOURNALED_BYTES]
            slot.release()
        found = standing.read(self.directory, self._counters)
        unsent = max((one.unsent for one in found), default=0)
        has_room = not records or unsent * octets < records * self.max_bytes // 4
        if has_room:
            self._room_until = now + _ROOM_S
        return has_room

    def close(self, *, keep: bool = False) -> None:
        """Leave it. One in memory is removed, unless the next agent is to send a rest."""
        rest = keep and any(one.waiting for one in standing.read(self.directory, self._counters))
        self._counters.close()
        if self.is_memory and not rest:
            shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)

    def _sweep(self) -> None:
        """End what killed workers have left; the links have all of it."""
        for directory in segment.slot_directories(self.directory):
            with held(directory) as is_free:
                if is_free:
                    reconcile(self._counters, int(directory.name), directory)
                    for found in segment.in_slot(directory):
                        if found.records is not None:
                            found.path.unlink(missing_ok=True)

    def _take_in(self, path: Path) -> None:
        writer = self.writer()
        try:
            spool_file.take_in(path, writer)
        except OSError as error:
            message = f"{path}: {error.strerror or error}"
            raise JournalError(message) from error
        finally:
            writer.close()


def output_names(options: Options) -> dict[str, Endpoint | None]:
    """The outputs by name with the server of each; without servers it is the log."""
    found: dict[str, Endpoint | None] = {relay_name(one): one for one in options.servers}
    return found or {message_log.NAME: None}


def _adopt(directory: Path, names: list[str]) -> None:
    """Give what waits for servers that are not in -hs any more to those that are new there."""
    known = state_file.names(directory)
    gone = [name for name in known if name not in names]
    fresh = [name for name in names if name not in known]
    for old, new in zip(gone, fresh, strict=False):
        links.output_directory(directory, old).rename(links.output_directory(directory, new))
        LOGGER.info(_RENAMED, directory, old, new)
