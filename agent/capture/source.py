# SPDX-License-Identifier: GPL-2.0-or-later
"""What every source of frames offers to a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import cypcap

from collector.errors import KemiscopeError
from collector.log import one_line

Frame: TypeAlias = tuple[int, bytes, int]
"""Capture time in µs since 1970, the bytes captured, and how many bytes the frame had: more than
were captured if it was longer than ``-s``."""


FilterText: TypeAlias = Callable[[int], str]
"""The capture filter in pcap-filter(7)'s words for a link type; "" lets all frames through."""


class CaptureError(KemiscopeError):
    """An interface or a file that cannot be captured from; the message is for the operator."""


class Source(Protocol):
    """Frames for one worker.

    Wait until ``fileno()`` is readable or ``due()`` seconds are over, then ``read()`` until it
    gives fewer frames than asked for.
    """

    linktype: int
    """libpcap's ``DLT_…`` of all its frames."""

    @property
    def ended(self) -> bool:
        """No further frame will come: the end of a file."""

    def fileno(self) -> int:
        """A descriptor for ``select``, ``poll`` and ``epoll``, the same as long as this lives."""

    def due(self) -> float | None:
        """After how many s ``read`` is worth a call although nothing is readable; None: never."""

    def read(self, max_frames: int) -> list[Frame]:
        """The frames that are there, at most ``max_frames``; never waits.

        Raises ``CaptureError`` if there will be no more because something is wrong; whatever came
        before has been handed over by then.
        """

    def drops(self) -> tuple[int, int]:
        """Frames lost since the start: because the ring was full, and by the interface."""

    def close(self) -> None:
        """Release it; twice is fine."""


def compiled(pcap: cypcap.Pcap, filter_text: FilterText) -> cypcap.BpfProgram:
    """The filter for this capture. Raises ``CaptureError`` with its text and libpcap's reason."""
    text = filter_text(pcap.datalink())
    try:
        # No netmask: it only matters to "ip broadcast", and not every interface has one.
        return pcap.compile(text, True, cypcap.NETMASK_UNKNOWN)
    except cypcap.Error as error:
        message = f"bad capture filter {text!r}: {one_line(error.msg)}"
        raise CaptureError(message) from error
