# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutations: of bytes, of HEP chunks, of the payload within; the same seed gives the same cases."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from tests.fuzz import corpus

LARGEST: Final = 65_507
"""What fits into a UDP datagram."""

WORDS: Final = (
    *(b"\0", b"\xff", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\t", b" ", b'"', b"\\", b"<", b">"),
    *(b"@", b":", b";", b",", b"=", b"[", b"]", b"{", b"}", b"(", b"%00", b"\xed\xa0\x80"),
    *(b"\xf0\x9f\x93\x9e", b"sip:", b"sips:", b"tel:", b";tag=", b"tag", b";branch=", b"SIP/2.0"),
    *(b"SIP/2.0 200 OK", b" SIP/2.0\r\n", b"INVITE ", b"Via: ", b"v:", b"From: ", b"To: <", b"i: "),
    *(b"Call-ID: ", b"CSeq: ", b"99999999999 ", b"Contact: *", b"Content-Length: -1", b"username="),
    *(b"Authorization: Digest ", b"P-Asserted-Identity: ", b"report_blocks", b'"ssrc":-1', b"null"),
    *(b"4294967295", b"1e999", b"\\u0000", b"\\ud800", b"NaN", b"MOSLQ=", b"NLR=", b"SSRC=0x"),
    *(b"HEP3", b"\0\0\0\x0f", b"\0\0\0\x10", b"\0\0\0\x65", b"\0\0\0\x11", b"\0\x06", b"\xff\xff"),
)
_LENGTHS: Final = (0, 1, 5, 6, 7, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
_CHUNK: Final = struct.Struct(">HHH")
_Bytes = Callable[[random.Random, bytearray], None]


def cases(count: int, seed: int, *, largest: int = LARGEST) -> Iterator[bytes]:
    """``count`` mutated HEP packets of at most ``largest`` bytes."""
    chance = random.Random(seed)
    seeds = list(corpus.seeds().values())
    for _ in range(count):
        yield _case(chance, seeds)[:largest]


def messages(count: int, seed: int) -> Iterator[bytes]:
    """``count`` mutated SIP messages."""
    chance = random.Random(seed)
    seeds = [data[_payload_at(data) :] for data in corpus.seeds().values() if b"CSeq" in data]
    seeds += corpus.messages().values()
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        _change(chance, data)
        yield bytes(data)


def _case(chance: random.Random, seeds: list[bytes]) -> bytes:
    data = chance.choice(seeds)
    kind = chance.random()
    if kind < 0.35 and data[:4] == b"HEP3":
        return _change_chunks(chance, data)
    if kind < 0.75 and data[:4] == b"HEP3":
        return _change_payload(chance, data)
    changed = bytearray(data)
    _change(chance, changed)
    if changed[:4] == b"HEP3" and chance.random() < 0.7:
        changed[4:6] = struct.pack(">H", min(len(changed), 65_535))
    return bytes(changed)


def _change(chance: random.Random, data: bytearray) -> None:
    """One to six small changes."""
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        chance.choice(_CHANGES)(chance, data)


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0D, 0x20))


def _cut(chance: random.Random, data: bytearray) -> None:
    begin = chance.randrange(len(data) + 1)
    del data[begin : begin + chance.choice((1, 2, 8, 64, 1024))]


def _end(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _insert(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(WORDS)


def _repeat_word(chance: random.Random, data: bytearray) -> None:
    """What makes a pattern slow: one word, or two in turn, very often."""
    at = chance.randrange(len(data) + 1)
    word = b"".join(chance.choice(WORDS) for _ in range(chance.choice((1, 1, 2))))
    data[at:at] = word * (chance.choice((8, 64, 64, 500, 20_000)) // len(word))


def _repeat_piece(chance: random.Random, data: bytearray) -> None:
    begin = chance.randrange(len(data) + 1)
    piece = bytes(data[begin : begin + chance.choice((1, 3, 16, 80))])
    data[begin:begin] = piece * chance.choice((1, 2, 10, 100))


def _swap(chance: random.Random, data: bytearray) -> None:
    one, two = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    data[:] = data[two:] + data[one:two] + data[:one]


_CHANGES: Final[tuple[_Bytes, ...]] = (
    *(_flip, _flip, _set, _set, _cut, _end, _insert, _insert, _insert, _repeat_word),
    *(_repeat_piece, _swap),
)


def _chunks_of(data: bytes) -> list[tuple[int, int, bytes]]:
    """Vendor, number and data of each chunk of a well-formed packet."""
    chunks = []
    at = 6
    while at < len(data):
        vendor, number, length = _CHUNK.unpack_from(data, at)
        chunks.append((vendor, number, data[at + 6 : at + length]))
        at += max(6, length)
    return chunks


def _payload_at(data: bytes) -> int:
    """Where the SIP message of a packet begins, more or less."""
    return max(data.find(word) for word in (b"INVITE ", b"OPTIONS ", b"SIP/2.0 ")) % len(data)


def _change_chunks(chance: random.Random, data: bytes) -> bytes:
    """Whole chunks: another order, number, vendor, size; and now and then a length that lies."""
    chunks = _chunks_of(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(chunks))
        vendor, number, value = chunks[at]
        match chance.randrange(7):
            case 0:
                chance.shuffle(chunks)
            case 1:
                chunks[at] = vendor, chance.choice((0, *range(0x30), 0x65, 0xFFFF)), value
            case 2:
                chunks[at] = chance.choice((1, 3, 0xFFFF)), number, value
            case 3:
                changed = bytearray(value)
                _change(chance, changed)
                chunks[at] = vendor, number, bytes(changed)
            case 4:
                chunks.insert(
                    at,
                    (
                        0,
                        chance.randrange(0x30),
                        chance.randbytes(chance.choice((0, 1, 2, 4, 6, 16))),
                    ),
                )
            case 5:
                del chunks[at]
                if not chunks:
                    chunks.append((0, 0x0F, b""))
            case _:
                chunks[at:at] = [chunks[at]] * chance.choice((1, 10, 300))
    lie = chance.randrange(len(chunks)) if chance.random() < 0.1 else -1
    body = b"".join(
        _CHUNK.pack(vendor, number, chance.choice(_LENGTHS) if at == lie else len(value) + 6)
        + value
        for at, (vendor, number, value) in enumerate(chunks)
        if len(value) < 60_000
    )[: LARGEST - 6]
    return data[:4] + struct.pack(">H", len(body) + 6) + body


def _change_payload(chance: random.Random, data: bytes) -> bytes:
    """The payload, changed and perhaps compressed or of another type, in a packet that is right."""
    chunks = [item for item in _chunks_of(data) if item[1] not in (0x0F, 0x10)]
    payload = bytearray(
        next((value for _, number, value in _chunks_of(data) if number == 0x0F), b"")
    )
    if chance.random() < 0.2:
        payload[:] = chance.choice(_PAYLOADS)
    _change(chance, payload)
    if chance.random() < 0.15:
        kind = bytes([chance.choice((0, 1, 5, 32, 34, 35, 38, 53, 99, 100, chance.randrange(256)))])
        chunks = [(v, n, kind if n == 0x0B else value) for v, n, value in chunks]
    if chance.random() < 0.08:
        chunks.append((0, 0x10, zlib.compress(bytes(payload) * chance.choice((1, 1, 50)))))
    else:
        chunks.append((0, 0x0F, bytes(payload)))
    body = b"".join(
        _CHUNK.pack(vendor, number, len(value) + 6) + value
        for vendor, number, value in chunks
        if len(value) < 60_000
    )[: LARGEST - 6]
    return b"HEP3" + struct.pack(">H", len(body) + 6) + body


_PAYLOADS: Final = corpus.payloads()
