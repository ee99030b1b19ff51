# SPDX-License-Identifier: GPL-2.0-or-later
"""What the user wants to see: -fi and -di by content, -diip, -disip, -didip by address, -dim."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from collector.networks import Networks

_NAME: Final = b"CSeq"
_FOLDED: Final = _NAME.lower()
_LONGEST: Final = 512
"""Bytes of a CSeq header that are looked at."""


class ContentFilter:
    """-fi and -di: text in the raw frame, whatever the frame is."""

    def __init__(self, wanted: Sequence[bytes], discarded: Sequence[bytes]) -> None:
        """A frame must hold all of ``wanted`` and none of ``discarded``."""
        self._wanted = wanted
        self._discarded = discarded

    def __bool__(self) -> bool:
        return bool(self._wanted or self._discarded)

    def discards(self, frame: bytes) -> bool:
        """Whether the frame is left out."""
        for text in self._wanted:
            if text not in frame:
                return True
        return any(text in frame for text in self._discarded)


class AddressFilter:
    """-diip, -disip and -didip: addresses and networks to leave out."""

    def __init__(
        self,
        either: Iterable[str] = (),
        source: Iterable[str] = (),
        destination: Iterable[str] = (),
    ) -> None:
        """Raises ValueError for what is neither an address nor a network."""
        both = tuple(either)
        self._source = Networks((*both, *source))
        self._destination = Networks((*both, *destination))
        self._is_used = bool(both or source or destination)

    def __bool__(self) -> bool:
        return self._is_used

    def discards(self, src_ip: bytes, dst_ip: bytes) -> bool:
        """Addresses have 4 or 16 bytes, or none where a packet names none."""
        return src_ip in self._source or dst_ip in self._destination


class MethodFilter:
    """-dim: messages of a transaction whose method is not wanted, requests and answers.

    It goes by whole messages: in a TCP segment, another one may stand beside it.
    """

    def __init__(self, methods: Collection[bytes]) -> None:
        """``methods`` are in upper case."""
        self._methods = methods

    def __bool__(self) -> bool:
        return bool(self._methods)

    def discards(self, message: bytes) -> bool:
        """Whether the CSeq header names one of the methods (RFC 3261 §20.16)."""
        return cseq_method(message) in self._methods


def cseq_method(message: bytes) -> bytes:
    """The method in the CSeq header of a SIP message, in capitals; empty when there is none."""
    begin = message.find(b"\n" + _NAME)
    if begin < 0:
        begin = message.lower().find(b"\n" + _FOLDED)
        if begin < 0:
            return b""
    begin += 1 + len(_NAME)
    end = message.find(b"\r\n", begin, begin + _LONGEST)
    colon, *words = message[begin:end].replace(b":", b" : ", 1).split() or [b""]
    return words[-1].upper() if end > 0 and colon == b":" and len(words) == 2 else b""
