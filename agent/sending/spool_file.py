# SPDX-License-Identifier: GPL-2.0-or-later
"""The spool that heplify has left: HEP3 packets, one behind the other, with nothing in between.

It is renamed before the first packet is taken, and removed after the last. The new name says where
in the journal the packets begin, so that an agent that is killed meanwhile goes on where it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector.hep import MAGICS, MAX_PACKET
from collector.journal.record import OTHER_PEER
from collector.journal.writer import Writer
from collector.log import LOGGER

_READ_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 6
_TAKING: Final = re.compile(r"\.taking-(\d+)-(\d+)\Z")
"""Behind the name: the journal's slot, and the number that the first packet has in it."""


def take_in(path: Path, writer: Writer) -> None:
    """Move all packets of a spool file into the journal. Raises OSError.

    Nobody else may have used the slot of the writer since an attempt that was not finished.
    """
    for found in sorted(path.parent.iterdir()):
        begun = _TAKING.match(found.name.removeprefix(path.name))
        if begun:
            slot, first = map(int, begun.groups())
            done = writer.count - first if slot == writer.slot else 0
            _take(found, writer, max(done, 0))
    if path.is_file():
        taking = path.with_name(f"{path.name}.taking-{writer.slot}-{writer.count}")
        path.rename(taking)
        _take(taking, writer, 0)


def _take(path: Path, writer: Writer, done: int) -> None:
    taken = lost = 0
    for number, packet in enumerate(packets(path)):
        if number < done:
            continue
        if writer.append(packet, OTHER_PEER, 0, 0) is None:
            taken += 1
        else:
            lost += 1
    path.unlink()
    LOGGER.info("%s: %s packets of an earlier agent are sent now", path, taken)
    if lost:
        LOGGER.error("%s: %s packets are lost: %s", path, lost, writer.last_error)


def packets(path: Path) -> Iterator[bytes]:
    """The HEP3 packets of a file. What is no whole packet is left out, and said."""
    skipped = 0
    with path.open("rb") as file:
        data, is_end = b"", False
        while not is_end or data:
            fresh = file.read(_READ_BYTES)
            is_end = not fresh
            data += fresh
            position = 0
            while is_end or len(data) - position >= MAX_PACKET + len(MAGICS[0]):
                end = _end_of_packet(data, position)
                if end:
                    yield data[position:end]
                    position = end
                    continue
                if position >= len(data):
                    break
                begin = _next_packet(data, position + 1)
                skipped += begin - position
                position = begin
            data = data[position:]
    if skipped:
        LOGGER.warning("%s: %s bytes are no whole HEP3 packet and left out", path, skipped)


def _end_of_packet(data: bytes, begin: int) -> int:
    """Where the packet at ``begin`` ends; 0 if there is no whole one."""
    if data[begin : begin + 4] not in MAGICS or len(data) - begin < _HEADER_BYTES:
        return 0
    length = int.from_bytes(data[begin + 4 : begin + 6])
    end = begin + length
    if length < _HEADER_BYTES or end > len(data):
        return 0
    if end == len(data) or data[end : end + 4] in MAGICS:
        return end
    # One that was cut off in the middle of the file reaches into the next.
    return end if _next_packet(data, begin + 1) >= end else 0


def _next_packet(data: bytes, begin: int) -> int:
    found = [at for magic in MAGICS if (at := data.find(magic, begin)) >= 0]
    return min(found, default=len(data))
