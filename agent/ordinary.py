# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames with one ordinary SIP message, all their way at once: ``agent.compiled.frames``.

Where it is built and the flags ask for nothing that looks at single messages, it takes the frames
that it knows, and the worker the others, in their order. What comes of a frame is the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from agent.capture.source import Frame
from agent.count import Count
from agent.counts import Counts
from agent.flags.options import Options
from agent.handover import Handover, largest_packet
from agent.message.media import Media
from agent.message.messages import MODE_SIP, udp_ports
from agent.packet.link import TYPE_AND_IP
from collector.compiled import sources

_CAPTURED: Final = int(Count.CAPTURED)
_USED: Final = int(Count.USED)
_FOUND: Final = int(Count.FOUND)


class Encode(Protocol):
    """``agent.compiled.frames.Frames.encode``."""

    def __call__(
        self, frames: list[Frame], begin: int, earliest: int, latest: int, packets: list[bytes], /
    ) -> int: ...


class Ordinary:
    """Takes ordinary frames of one worker and counts them."""

    def __init__(self, encode: Encode, counts: Counts, handover: Handover) -> None:
        self._encode = encode
        self._counts = counts
        self._handover = handover

    def take(self, frames: list[Frame], begin: int, earliest: int, latest: int) -> int:
        """Hand over what frames from ``begin`` on hold, with the next flush.

        Returns the place of the first that is not ordinary, or not captured from ``earliest`` on
        and before ``latest`` (µs); or how many frames there are.
        """
        end = self._encode(frames, begin, earliest, latest, self._handover.waiting)
        if end > begin:
            for count in (_CAPTURED, _USED, _FOUND):
                self._counts[count] += end - begin
        return end


class Form(NamedTuple):
    """How the frames of a worker are read."""

    ordinary: Ordinary | None
    """None where all go through the plain parts."""
    reason: str
    """Why they do; empty when they do not."""


def choose(
    options: Options, linktype: int, counts: Counts, media: Media, handover: Handover
) -> Form:
    """The compiled form where it is built and may take frames, else the reason why not."""
    looks = [
        flag
        for flag, value in (
            *(("-fi", options.fi), ("-di", options.di), ("-wf", options.wf), ("-dd", options.dd)),
            *(("-diip", options.diip), ("-disip", options.disip), ("-didip", options.didip)),
            *(("-dim", options.dim), ("-script-file", options.script_file)),
            *(("-protobuf", options.protobuf), ("-o", options.o)),
        )
        if value
    ]
    if looks:
        return Form(None, f"{looks[0]} looks at each frame or message")
    if linktype not in TYPE_AND_IP:
        return Form(None, f"frames of link type {linktype} are rare")
    found = sources.load(sources.FRAMES)
    if found.module is None:
        return Form(None, found.reason)
    by_source, by_target = udp_ports(options.m)
    frames = found.module.Frames(
        places=TYPE_AND_IP[linktype],
        largest=largest_packet(options.servers),
        learn=media.learn if options.m != MODE_SIP else None,
        capture_id=options.hi,
        node_name=options.hn,
        auth_key=options.hp,
        sources=by_source,
        targets=by_target,
    )
    return Form(Ordinary(frames.encode, counts, handover), "")


def describe(form: Form) -> str:
    """How, in a few words."""
    return f"in plain Python: {form.reason}" if form.reason else "compiled"
