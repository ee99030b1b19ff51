# SPDX-License-Identifier: GPL-2.0-or-later
"""``-wf``: captured frames as pcap files in folders by date, with heplify's names."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from agent.capture.pcap_file import PcapFile, mend, record
from agent.count import Count
from collector.log import LOGGER, LimitedLog

_SUFFIX: Final = ".pcap.tmp"
_PACKED: Final = ".gz"

_HELD_BYTES: Final = 1 << 18
"""Frames that wait to be written together; ``tick`` writes them in any case."""

_ABANDONED_S: Final = 60.0
"""A file of this age that holds nothing is not one that another worker is about to write."""

_RECORDED: Final = int(Count.RECORDED)
_UNRECORDED: Final = int(Count.UNRECORDED)


class Recorder:
    """Writes frames below ``folder``; each worker has a recorder of its own.

    ``<interface>_interface.pcap.tmp`` grows in ``folder`` from the first frame on. Every
    ``rotation_s`` seconds and at the end it becomes
    ``YYYY/MM/DD/DD.MM.YYYYTHH-MM-SS_node<id>.pcap``, in local time. Where a name is taken, as by
    another worker, ``_2`` and so on is put behind it. With ``is_packed``, both end in ``.gz``.
    The file of a process that was killed is put in its place when the next recorder starts.

    Nothing here raises an error of the disk: frames that cannot be written are counted in
    ``counts``, and the log has the reason.
    """

    def __init__(
        self,
        folder: str,
        counts: memoryview[int],
        *,
        interface: str,
        linktype: int,
        node_id: int,
        rotation_s: float,
        is_packed: bool,
    ) -> None:
        self._folder = Path(folder)
        self._counts = counts
        self._linktype = linktype
        self._node_id = node_id
        self._rotation_s = max(1.0, rotation_s)
        self._is_packed = is_packed
        self._name = f"{interface.replace('/', '_')}_interface"
        self._records: list[bytes] = []
        self._held = 0
        self._file: PcapFile | None = None
        self._rotate_at = time.monotonic() + self._rotation_s
        self._log = LimitedLog()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._place_left()
        except OSError as error:
            self._complain(error)

    def write(self, time: int, frame: bytes, length: int) -> None:
        """A frame as its source gives it."""
        self._records.append(record((time, frame, length)))
        self._held += len(frame)
        if self._held >= _HELD_BYTES:
            self._flush()

    def tick(self) -> None:
        """About every second: what was held is in the file then, and the file is rotated."""
        self._flush()
        if time.monotonic() >= self._rotate_at:
            self._rotate_at += self._rotation_s * (
                1 + (time.monotonic() - self._rotate_at) // self._rotation_s
            )
            self._place()

    def close(self) -> None:
        """The end: everything is in its place."""
        self._flush()
        self._place()

    def _flush(self) -> None:
        records = self._records
        if not records:
            return
        self._records = []
        self._held = 0
        try:
            if self._file is None:
                self._file = self._open()
            self._file.append(b"".join(records))
        except OSError as error:
            self._counts[_UNRECORDED] += len(records)
            self._complain(error)
        else:
            self._counts[_RECORDED] += len(records)

    def _open(self) -> PcapFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = _taken(self._folder / self._name, _SUFFIX + _PACKED * self._is_packed)
        try:
            return PcapFile(path, linktype=self._linktype, is_packed=self._is_packed)
        except OSError:
            # Or there would be another one at each attempt.
            with suppress(OSError):
                path.unlink()
            raise

    def _place(self) -> None:
        """Close the file and give it its name."""
        file = self._file
        if file is None:
            return
        self._file = None
        try:
            self._rename(file.path, time.time())
        except OSError as error:
            self._complain(error)
        finally:
            # Only now: until here it is locked, and nobody else clears it away.
            file.close()

    def _place_left(self) -> None:
        """The same with files of processes that were killed."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}*")):
            if path.name.endswith((_SUFFIX, _SUFFIX + _PACKED)):
                with suppress(FileNotFoundError, BlockingIOError):
                    # Another recorder has placed it meanwhile, or writes it.
                    self._place_one(path)

    def _place_one(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(file)
            if not os.path.samestat(path.stat(), found):
                return
            if mend(file, is_packed=path.name.endswith(_PACKED)):
                self._rename(path, found.st_mtime)
                LOGGER.info("%s was left behind and is in its place now", path)
            elif time.time() - found.st_mtime > _ABANDONED_S:
                path.unlink()
        finally:
            os.close(file)

    def _rename(self, path: Path, at: float) -> None:
        """To the name for the time ``at``, s since 1970."""
        moment = datetime.fromtimestamp(at).astimezone()
        folder = self._folder / moment.strftime("%Y/%m/%d")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{moment.strftime('%d.%m.%YT%H-%M-%S')}_node{self._node_id}"
        target = _taken(folder / name, ".pcap" + _PACKED * path.name.endswith(_PACKED))
        try:
            path.rename(target)
        except OSError:
            with suppress(OSError):
                target.unlink()
            raise

    def _complain(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        self._log.warn(reason, f"pcap files in {self._folder} (-wf): {reason}; capture goes on")


def _taken(stem: Path, suffix: str) -> Path:
    """An empty file that is made now; its name is nobody else's.

    A rename onto it replaces it, but never a file that somebody has written.
    """
    for number in count(1):
        path = stem.with_name(f"{stem.name}{f'_{number}' if number > 1 else ''}{suffix}")
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path
    raise AssertionError
