# SPDX-License-Identifier: GPL-2.0-or-later
"""A pcap file that grows (libpcap 2.4, little-endian, µs), also packed by gzip.

It can be read at any time: it grows by whole records, packed by whole members (RFC 1952 §2.2).
Only a process that was killed in the midst of writing leaves a torn end, which ``mend`` cuts off.
"""

from __future__ import annotations

import fcntl
import gzip
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final

from agent.capture.source import Frame

_HEADER: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")
_MAGIC: Final = 0xA1B2C3D4
_VERSION: Final = (2, 4)
_SNAP_LENGTH: Final = 262_144
"""The longest frame that readers take."""

_LINKTYPES: Final = {12: 101}
"""The numbers of files, where libpcap has others on Linux: raw IP."""

_LEVEL: Final = 1
"""Of gzip. It is done while frames wait: a higher one takes three times as long for a tenth."""
_MEMBER: Final = gzip.compress(b"", _LEVEL, mtime=0)[:10]
"""How each of our members begins."""
_LONGEST_MEMBER: Final = 4 << 20


def record(frame: Frame) -> bytes:
    """A frame as it is in the file."""
    at, data, length = frame
    seconds, microseconds = divmod(at, 1_000_000)
    return _RECORD.pack(seconds & 0xFFFFFFFF, microseconds, len(data), length) + data


class PcapFile:
    """The empty file ``path``, locked against those who would clear it away. Raises OSError."""

    def __init__(self, path: Path, *, linktype: int, is_packed: bool) -> None:
        self.path = path
        self._is_packed = is_packed
        self._file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._size = 0
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            number = _LINKTYPES.get(linktype, linktype)
            self.append(_HEADER.pack(_MAGIC, *_VERSION, 0, 0, _SNAP_LENGTH, number))
        except BaseException:
            os.close(self._file)
            raise

    def append(self, records: bytes) -> None:
        """Add whole records. Raises OSError; then none of them is in the file."""
        data = gzip.compress(records, _LEVEL, mtime=0) if self._is_packed else records
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Let go of it; it stays where it is."""
        os.close(self._file)


def mend(file: int, *, is_packed: bool) -> bool:
    """Cut off what a killed process left behind the last whole record of an open file.

    Returns whether any record is left.
    """
    size = os.fstat(file).st_size
    if size < _HEADER.size:
        return False
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as content:
        if is_packed:
            good = _last_member(content)
            # The first member is the header.
            holds = content.rfind(_MEMBER, 0, good) > 0
        else:
            good = _last_record(content)
            holds = good > _HEADER.size
    if good < size:
        os.ftruncate(file, good)
    return holds


def _last_record(content: mmap.mmap) -> int:
    """Where the last whole record ends."""
    end = len(content)
    good = _HEADER.size
    while good + _RECORD.size <= end:
        behind = good + _RECORD.size + int(_RECORD.unpack_from(content, good)[2])
        if behind > end:
            break
        good = behind
    return good


def _last_member(content: mmap.mmap) -> int:
    """Where the last whole member ends; the one before the last was whole when it was begun."""
    begin = content.rfind(_MEMBER)
    if begin < 0:
        return 0
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        inflate.decompress(content[begin : begin + _LONGEST_MEMBER])
    except zlib.error:
        return begin
    return len(content) - len(inflate.unused_data) if inflate.eof else begin
