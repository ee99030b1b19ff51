# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments for the outputs: each gets a hard link of its own, so none can hold up another.

::

    <journal>/outputs/
        <output>/                     locked by nobody; the output process has outputs/ itself
            state                     how far it is, and what became of its records
            00/                       one directory per writer slot
                origin                number of the first record that was ever linked here
                00000000000000016384-….seg

A writer links a segment when it begins it; ingest and every output remove their own link when they
are done, and the last one frees the disk. The name stays ``.seg``: a linked segment is complete
when a younger one of its slot is there, or when its writer is gone.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from collector import hep
from collector.journal import record, segment
from collector.journal.segment import Segment
from collector.log import LOGGER, LimitedLog

DIRECTORY: Final = "outputs"
ORIGIN: Final = "origin"
_LONGEST_RECORD: Final = record.HEADER_BYTES + hep.MAX_PACKET
"""A segment ends with the record that reaches its size."""
CUTS_AT_ONCE: Final = 32
"""Links removed in one attempt to free disk space: a writer must soon be back at its socket."""


class Link(NamedTuple):
    """One linked segment, as the file system knows it."""

    segment: Segment
    inode: int
    links: int
    octets: int
    disk_octets: int
    """What removing the last link gives back."""


def output_directory(journal: Path, name: str) -> Path:
    """Where the links and the state of an output are."""
    return journal / DIRECTORY / name


def linked(journal: Path, name: str) -> list[Link]:
    """The segments that an output has not finished, oldest first; empty if there are none."""
    found = []
    with suppress(FileNotFoundError):
        for directory in segment.slot_directories(output_directory(journal, name)):
            for item in segment.in_slot(directory):
                with suppress(FileNotFoundError):
                    status = item.path.stat()
                    found.append(
                        Link(
                            item,
                            status.st_ino,
                            status.st_nlink,
                            status.st_size,
                            512 * status.st_blocks,
                        )
                    )
    return sorted(found, key=lambda item: item.segment.uid)


def read_origin(directory: Path) -> int | None:
    """Number of the first record linked into a slot directory; None when it is not known."""
    try:
        return int((directory / ORIGIN).read_text())
    except (OSError, ValueError):
        return None


class Links:
    """What a writer does for the outputs when it begins a segment. Never raises OSError.

    An output that is away keeps only its own backlog: beyond its ``limits`` entry in bytes its
    oldest segments are unlinked. Its reader sees from the numbers of the records how many are
    missing, and counts them.
    """

    def __init__(
        self, journal: Path, slot: int, limits: Mapping[str, int] | None, segment_bytes: int
    ) -> None:
        """``limits`` has all outputs by name; what others have left is removed.

        None leaves everything as it is: for a writer that does not know the settings.
        """
        self._journal = journal
        self._slot = f"{slot:02d}"
        self._limits = limits or {}
        self._segment_bytes = segment_bytes
        self._limited = LimitedLog()
        if limits is not None:
            self._remove_others()

    def add(self, path: Path, first_record: int) -> None:
        """Link a segment that has just begun into the directory of every output."""
        for name, limit in self._limits.items():
            directory = output_directory(self._journal, name) / self._slot
            try:
                if not directory.exists():
                    self._create(directory, first_record)
                os.link(path, directory / path.name)
            except OSError as error:
                reason = error.strerror or error
                self._limited.warn(f"link {name}", f"{name} misses a segment: {path}: {reason}")
            self._cut(name, limit)

    def make_room(self, octets: int) -> int:
        """Free disk space for reception: the oldest segments that only outputs still have go first.

        Returns how many bytes that gave.
        """
        freed = cuts = 0
        for links in self._freeable():
            if freed >= octets or cuts >= CUTS_AT_ONCE:
                break
            for link in links:
                self._unlink(link)
                cuts += 1
            freed += links[0].disk_octets
        if cuts:
            names = ", ".join(self._limits)
            self._limited.warn(
                "room", f"the disk is nearly full: the oldest backlog is removed ({names})"
            )
        return freed

    def _freeable(self) -> Iterator[list[Link]]:
        """Complete segments that nobody but outputs has, oldest first, each with all its links."""
        by_inode: defaultdict[int, list[Link]] = defaultdict(list)
        growing: set[int] = set()
        for name in self._limits:
            newest: dict[int, int] = {}
            for link in linked(self._journal, name):
                by_inode[link.inode].append(link)
                newest[link.segment.slot] = link.inode
            growing.update(newest.values())
        for links in sorted(by_inode.values(), key=lambda links: links[0].segment.uid):
            if links[0].links == len(links) and links[0].inode not in growing:
                yield links

    def _cut(self, name: str, limit: int) -> None:
        """Keep an output's backlog and one more segment within its limit."""
        with suppress(OSError):
            if self._is_small(output_directory(self._journal, name), limit):
                return
            links = linked(self._journal, name)
            used = sum(link.octets for link in links) + self._segment_bytes
            newest = {link.segment.slot: link.inode for link in links}
            for link in links:
                if used <= limit:
                    break
                if newest[link.segment.slot] != link.inode:
                    self._unlink(link)
                    used -= link.octets
                    self._limited.warn(
                        f"cut {name}",
                        f"{name}: max_bytes is reached, the oldest records make room; what was "
                        "not sent by then is counted as backlog",
                    )

    def _is_small(self, directory: Path, limit: int) -> bool:
        """Whether so few files cannot exceed the limit: spares the writer a look at each."""
        files = sum(1 for slot in segment.slot_directories(directory) for _ in slot.iterdir())
        return (files + 1) * (self._segment_bytes + _LONGEST_RECORD) <= limit

    @staticmethod
    def _unlink(link: Link) -> None:
        with suppress(OSError):
            link.segment.path.unlink()

    @staticmethod
    def _create(directory: Path, first_record: int) -> None:
        fresh = directory.with_name(f"{directory.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o750)
        (fresh / ORIGIN).write_text(str(first_record))
        fresh.rename(directory)

    def _remove_others(self) -> None:
        try:
            entries = list((self._journal / DIRECTORY).iterdir())
        except OSError:
            return
        for entry in entries:
            if entry.is_dir() and entry.name not in self._limits:
                LOGGER.info("%s is no output any more: its backlog is removed", entry.name)
                shutil.rmtree(entry, ignore_errors=True)
