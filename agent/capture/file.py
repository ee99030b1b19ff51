# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames from a capture file: pcap or pcapng of any byte order, also packed by gzip."""

from __future__ import annotations

import os
import time
from itertools import islice
from pathlib import Path
from typing import Final

import cypcap

from agent.capture.inflating import Inflating, is_packed
from agent.capture.source import CaptureError, FilterText, Frame, compiled
from collector.log import one_line

LOOP_PAUSE_S: Final = 0.25
"""Between the end of a file and its next beginning."""

_STDIN: Final = "-"


class Pace:
    """When frames of a file are due if the gaps between them are to be as they were."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._due = 0

    def due(self, at: int) -> int:
        """By the monotonic clock, µs. Where the file's time goes back there is no gap."""
        if self._last is None:
            self._due = time.monotonic_ns() // 1000
        else:
            self._due += max(0, at - self._last)
        self._last = at
        return self._due


class File:
    """A ``Source`` on a capture file; "-" is standard input.

    ``full_speed`` gives the frames at once with the times of the file. Without it they come with
    the gaps that the file has between them, and their time is now. The file is read ``loops``
    times; 0 stands for ever. The filter holds in each of them. A packed file is damaged where it
    exceeds ``max_unpacked`` bytes, unless these are 0.

    Raises ``CaptureError`` if it is not a capture file, or the filter is bad; ``read`` raises it
    at the place where the file is damaged.
    """

    def __init__(
        self,
        path: str,
        *,
        filter_text: FilterText,
        full_speed: bool,
        loops: int = 1,
        max_unpacked: int = 0,
    ) -> None:
        self._path = Path(path)
        self._filter_text = filter_text
        self._full_speed = full_speed
        self._loops = loops
        self._max_unpacked = max_unpacked
        self._inflating: Inflating | None = None
        self._pcap: cypcap.Pcap | None = None
        self._is_stream = path == _STDIN or self._path.is_fifo()
        self._open_at = 0.0
        self._frames = 0
        self._pace = Pace()
        self._next: Frame | None = None
        """Read, but not due until ``_next_due`` (monotonic, µs)."""
        self._next_due = 0
        self._fault = ""
        self.ended = False
        self.linktype = int(self._open().datalink())
        if not self._is_stream:
            # Whoever reads may be a process that is yet to be forked; it has its own place in it.
            self._close_file()
            self._fault = ""
        # Never readable: there is nothing to wait for but ``due``.
        self._event = os.eventfd(0)

    def fileno(self) -> int:
        """As ``Source.fileno``."""
        return self._event

    def due(self) -> float | None:
        """When the next frame is due."""
        if self.ended:
            return None
        if self._pcap is None:
            return max(0.0, self._open_at - time.monotonic())
        if self._next is None:
            return 0.0
        return max(0.0, (self._next_due - time.monotonic_ns() // 1000) / 1e6)

    def read(self, max_frames: int) -> list[Frame]:
        """As ``Source.read``; standard input is waited for."""
        if self._fault:
            self.ended = True
            raise CaptureError(self._fault)
        if self.ended or (self._pcap is None and time.monotonic() < self._open_at):
            return []
        if self._full_speed:
            return self._take(1 if self._is_stream else max_frames)
        return self._take_due(max_frames)

    def drops(self) -> tuple[int, int]:
        """A file loses none."""
        return 0, 0

    def close(self) -> None:
        """As ``Source.close``."""
        self.ended = True
        self._close_file()
        if self._event >= 0:
            os.close(self._event)
            self._event = -1

    def _take(self, max_frames: int) -> list[Frame]:
        """Frames as they are in the file. Fewer than asked for: this was its end."""
        frames: list[Frame] = []
        add = frames.append
        try:
            for header, data in islice(self._pcap or self._open(), max_frames):
                if header is not None:
                    add((int(header.ts * 1e6 + 0.5), data, header.len))
        except cypcap.Error as error:
            self._frames += len(frames)
            self._close_file(error.msg)
            return frames
        self._frames += len(frames)
        if len(frames) < max_frames:
            self._close_file()
            self._loops -= 1
            self.ended = self._loops == 0 and not self._fault
            self._open_at = time.monotonic() + LOOP_PAUSE_S
        return frames

    def _take_due(self, max_frames: int) -> list[Frame]:
        frames: list[Frame] = []
        while len(frames) < max_frames:
            if self._next is None:
                found = self._take(1)
                if not found:
                    break
                self._next = found[0]
                self._next_due = self._pace.due(self._next[0])
            late = time.monotonic_ns() // 1000 - self._next_due
            if late < 0:
                break
            _, data, length = self._next
            self._next = None
            # Not when we got to it: frames keep their distance in what is sent, too.
            frames.append((time.time_ns() // 1000 - late, data, length))
        return frames

    def _open(self) -> cypcap.Pcap:
        name = str(self._path)
        try:
            if not self._is_stream and is_packed(self._path):
                self._inflating = Inflating(self._path, self._max_unpacked)
                name = self._inflating.name
            elif not self._is_stream:
                # libpcap's own error would have the name in whatever encoding it is.
                self._path.open("rb").close()
            try:
                pcap = cypcap.open_offline(name)
            finally:
                if self._inflating:
                    self._inflating.opened()
        except OSError as error:
            message = f"{self._path}: {error.strerror or error}"
            raise CaptureError(message) from error
        except cypcap.Error as error:
            reason = self._inflating.finish() if self._inflating else ""
            message = f"{self._path} is no capture file: {one_line(reason or error.msg)}"
            raise CaptureError(message) from error
        self._pcap = pcap
        self._frames = 0
        self._pace = Pace()
        try:
            pcap.setfilter(compiled(pcap, self._filter_text))
        except BaseException:
            self._close_file()
            raise
        return pcap

    def _close_file(self, fault: str = "") -> None:
        """Close it; ``fault`` is what libpcap says about it."""
        if self._pcap is None:
            return
        self._pcap.close()
        self._pcap = None
        if self._inflating:
            # An unpacked file that breaks off has a cause.
            fault = self._inflating.finish() or fault
            self._inflating = None
        if fault:
            count = self._frames
            self._fault = f"{self._path} cannot be read beyond {count} frames: {one_line(fault)}"
