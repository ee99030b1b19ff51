# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames from one or more interfaces."""

from __future__ import annotations

import select
import time

from agent.capture.interface import Interface, Ring
from agent.capture.source import CaptureError, FilterText, Frame


class Live:
    """A ``Source`` on interfaces: "any", a name, or several names with commas between them.

    ``snap_length`` in bytes, ``buffer_mb`` for each interface. Members of the same ``fanout_group``
    share the frames: every frame once, and all of a flow, both directions, to one of them.
    Raises ``CaptureError`` if one of the interfaces cannot be captured from. An interface that goes
    away later is waited for.
    """

    ended = False

    def __init__(
        self,
        interface: str,
        *,
        snap_length: int,
        buffer_mb: int,
        filter_text: FilterText,
        promiscuous: bool = False,
        fanout_group: int | None = None,
    ) -> None:
        ring = Ring(snap_length, buffer_mb, filter_text, promiscuous, fanout_group)
        self._poll = select.epoll()
        self._interfaces: list[Interface] = []
        try:
            names = dict.fromkeys(name.strip() for name in interface.split(","))
            for number, name in enumerate(names):
                if fanout_group is not None:
                    # The kernel has a group for one interface only.
                    ring = ring._replace(fanout_group=fanout_group + number)
                self._interfaces.append(Interface(name, ring, self._poll))
            self.linktype = self._one_linktype()
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """An epoll descriptor, so that it stays when an interface is opened again."""
        return self._poll.fileno()

    def due(self) -> float | None:
        """When to look again for an interface that went away."""
        away = [interface.retry_at for interface in self._interfaces if interface.away]
        return max(0.0, min(away) - time.monotonic()) if away else None

    def read(self, max_frames: int) -> list[Frame]:
        """As ``Source.read``; what one interface leaves of ``max_frames`` is for the next."""
        interfaces = self._interfaces
        frames = interfaces[0].read(max_frames)
        if len(interfaces) > 1:
            for interface in interfaces[1:]:
                if len(frames) < max_frames:
                    frames += interface.read(max_frames - len(frames))
            # Another one is first next time.
            interfaces.append(interfaces.pop(0))
        return frames

    def drops(self) -> tuple[int, int]:
        """The sums of all interfaces."""
        found = [interface.drops() for interface in self._interfaces]
        return sum(kernel for kernel, _ in found), sum(dropped for _, dropped in found)

    def close(self) -> None:
        """Release the interfaces; the drops stay known."""
        for interface in self._interfaces:
            interface.close()
        self._poll.close()

    def _one_linktype(self) -> int:
        found = {interface.name: interface.linktype for interface in self._interfaces}
        if len(set(found.values())) > 1:
            kinds = ", ".join(f"{name}: {linktype}" for name, linktype in found.items())
            message = f'different link types ({kinds}): one hepagent for each, or "any"'
            raise CaptureError(message)
        return next(iter(found.values()))
