# SPDX-License-Identifier: GPL-2.0-or-later
"""DNS messages, built from RFC 1035 without the code that reads them."""

from __future__ import annotations

import struct
from ipaddress import ip_address

A, NS, CNAME, SOA, PTR, AAAA, SRV, NAPTR = 1, 2, 5, 6, 12, 28, 33, 35


def name(text: str, pointer: int | None = None) -> bytes:
    """Labels, with their end or a pointer to where the rest of the name is."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in text.split(".") if label)
    return labels + (b"\0" if pointer is None else struct.pack(">H", 0xC000 | pointer))


def question(owner: bytes, kind: int) -> bytes:
    """In the class of the Internet, as all here."""
    return owner + struct.pack(">HH", kind, 1)


def record(owner: bytes, kind: int, data: bytes, ttl: int = 300) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def address(text: str) -> bytes:
    return ip_address(text).packed


def srv(priority: int, weight: int, port: int, target: bytes) -> bytes:
    return struct.pack(">HHH", priority, weight, port) + target


def naptr(order: int, preference: int, *texts: bytes, replacement: bytes) -> bytes:
    return (
        struct.pack(">HH", order, preference)
        + b"".join(bytes((len(text),)) + text for text in texts)
        + replacement
    )


def message(
    questions: list[bytes],
    answers: list[bytes] | None = None,
    *,
    number: int = 7,
    flags: int = 0x0100,
) -> bytes:
    """Header and these."""
    answers = answers or []
    head = struct.pack(">HHHHHH", number, flags, len(questions), len(answers), 0, 0)
    return head + b"".join(questions + answers)
