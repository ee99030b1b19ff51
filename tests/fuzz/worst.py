# SPDX-License-Identifier: GPL-2.0-or-later
"""The worst that a pattern can meet: every word in every place, as often as a packet holds it.

Compressed, so that it is a quarter of a megabyte: the most that a packet can make us read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from collector.hep import MAX_INFLATED
from tests.collector.test_sip_hostile import FILLERS, PLACES
from tests.fuzz.mutate import WORDS
from tests.hep_bytes import chunk, hep3, u8
from tests.sip_text import with_headers

_ROOM: Final = 1000
"""Bytes left for the message around the words."""
_WORDS: Final = tuple(
    dict.fromkeys(
        (
            *(*FILLERS, *WORDS, b"; ", b" ;", b'\\\\\\"', b"a\\", b"\t\r\n ", b"\r\n\t", b"\n "),
            *(b"x:y\r\n", b";branch ", b"sip:@", b"\x0b,", b"0", b"SIP/2.0/UDP h,", b"{},", b"ab:"),
            *(b"NLR=1 ", b"LocalMetrics:", b"SSRC=1 ", b'{"a":', b"[", b'"a":1,', b"\xc3\xbc"),
        )
    )
)
_HEADERS: Final = (
    *(*PLACES, b"P-Asserted-Identity: %s", b"User-Agent: %s", b"Authorization: %s"),
    *(b"To: <sip:a@b>%s", b'From: "x" %s', b'Authorization: Digest realm="%s"'),
)
_LINES: Final = (
    *(b"%s", b"INVITE %s", b"INVITE %sx", b"INVITE sip:%s SIP/2.0", b"%s sip:a@b SIP/2.0"),
    *(b"SIP/2.0 %s", b"SIP/2.0 200%s", b"SIP/2.0 200 %s", b"INVITE sip:a@b SIP/2.0%s"),
)
_PAYLOADS: Final = (
    *(b"%s", b"{%s", b'{"ssrc":1,"x":"%s"}', b'{"report_blocks":[%s]}', b'{"payload":"%s"}'),
    *(b'{"MOS":"%s"}', b"LocalMetrics:\n%s"),
)
_SIP, _RTCP = 1, 5


def cases() -> Iterator[bytes]:
    """HEP packets."""
    for word in _WORDS:
        for place in _HEADERS:
            yield _packet(_SIP, with_headers(_fill(place, word)))
        for line in _LINES:
            yield _packet(_SIP, with_headers(start=_fill(line, word)))
        for place in _PAYLOADS:
            for size in (MAX_INFLATED - _ROOM, 65_535 - len(place)):
                yield _packet(_RTCP, _fill(place, word, size))
                yield _packet(_SIP, _fill(place, word, size))


def _fill(place: bytes, word: bytes, size: int = MAX_INFLATED - _ROOM) -> bytes:
    return place.replace(b"%s", word * (size // len(word) // place.count(b"%s")))


def _packet(kind: int, payload: bytes) -> bytes:
    return hep3(u8(0x0B, kind), chunk(0x10, zlib.compress(payload, 1)))
