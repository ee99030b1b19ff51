# SPDX-License-Identifier: GPL-2.0-or-later
"""DNS messages (RFC 1035) as the JSON object that heplify writes (HEP type 53, -m SIPDNS).

Beside heplify's keys an answer has ``ptr``, ``srv`` (RFC 2782) and ``naptr`` (RFC 3403): these are
what SIP asks for (RFC 3263). Types, classes and codes are numbers. Never raises.
"""

from __future__ import annotations

import struct
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Final

import orjson

PORT: Final = 53
MAX_RECORDS: Final = 64
"""Questions, and answers, that are written; ``qdc`` and ``anc`` say how many there are."""
MAX_JSON: Final = 60_000
"""Bytes, so that the HEP packet can be sent; above it the answers are left out."""
_MAX_NAME: Final = 255
"""RFC 1035 §3.1, octets."""
_MAX_POINTERS: Final = _MAX_NAME // 2
"""As many as a name can have labels."""

_A: Final = 1
_NS: Final = 2
_CNAME: Final = 5
_PTR: Final = 12
_AAAA: Final = 28
_SRV: Final = 33
_NAPTR: Final = 35
_NAME_KEYS: Final = {_NS: "ns", _CNAME: "cname", _PTR: "ptr"}
_NAPTR_TEXTS: Final = ("flags", "service", "regexp")

_header = struct.Struct(">HHHHHH").unpack_from
_question = struct.Struct(">HH").unpack_from
_record = struct.Struct(">HHIH").unpack_from
_srv = struct.Struct(">HHH").unpack_from
_naptr = struct.Struct(">HH").unpack_from
_HEADER_BYTES: Final = 12
_RECORD_BYTES: Final = 10

_ESCAPES: Final = {
    **{octet: f"\\{octet:03d}" for octet in range(256) if not 0x21 <= octet <= 0x7E},
    **{ord(sign): f"\\{sign}" for sign in ".\\"},
}
"""RFC 1035 §5.1: how octets that are no letters of a label are written."""
_OCTETS: Final = {octet: f"\\{octet:03d}" for octet in range(256) if not 0x20 <= octet <= 0x7E}


def to_json(message: bytes) -> bytes | None:
    """The object for a message; None when it is none, or is cut off."""
    if len(message) < _HEADER_BYTES:
        return None
    number, flags, questions, answers, authorities, additional = _header(message)
    document: dict[str, Any] = {
        "id": number,
        "qr": bool(flags & 0x8000),
        "opcode": flags >> 11 & 0xF,
        "aa": bool(flags & 0x0400),
        "tc": bool(flags & 0x0200),
        "rd": bool(flags & 0x0100),
        "ra": bool(flags & 0x0080),
        "z": flags >> 4 & 0x7,
        "rescode": flags & 0xF,
        "qdc": questions,
        "anc": answers,
        "nsc": authorities,
        "arc": additional,
    }
    try:
        position = _HEADER_BYTES
        found: list[dict[str, Any]] = []
        for _ in range(questions):
            name, position = _name(message, position)
            kind, group = _question(message, position)
            position += 4
            found.append({"name": name, "type": kind, "class": group})
            if len(found) == MAX_RECORDS:
                break
        if found:
            document["questions"] = found
        if len(found) == questions and answers:
            document["answers"] = _answers(message, position, min(answers, MAX_RECORDS))
    except (ValueError, IndexError, struct.error):
        return None
    text = orjson.dumps(document)
    if len(text) > MAX_JSON:
        document.pop("answers", None)
        text = orjson.dumps(document)
    return text if len(text) <= MAX_JSON else None


def _answers(message: bytes, position: int, count: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        name, position = _name(message, position)
        kind, group, ttl, size = _record(message, position)
        position += _RECORD_BYTES
        if position + size > len(message):
            raise IndexError
        record = {"name": name, "type": kind, "class": group, "ttl": ttl}
        found.append(record | _data(message, kind, position, size))
        position += size
    return found


def _data(message: bytes, kind: int, position: int, size: int) -> dict[str, Any]:
    """What is written of a record's data, which lies within the message."""
    end = position + size
    if kind == _A and size == 4:
        return {"ip": inet_ntop(AF_INET, message[position:end])}
    if kind == _AAAA and size == 16:
        return {"ip": inet_ntop(AF_INET6, message[position:end])}
    if kind in _NAME_KEYS:
        return {_NAME_KEYS[kind]: _name(message, position)[0]}
    if kind == _SRV:
        priority, weight, port = _srv(message, position)
        name, _ = _name(message, position + 6)
        return {"srv": {"priority": priority, "weight": weight, "port": port, "name": name}}
    if kind == _NAPTR:
        order, preference = _naptr(message, position)
        position += 4
        document: dict[str, Any] = {"order": order, "preference": preference}
        for key in _NAPTR_TEXTS:
            begin = position + 1
            position = begin + message[position]
            if position > end:
                raise IndexError
            document[key] = _text(message[begin:position])
        document["replacement"] = _name(message, position)[0]
        return {"naptr": document}
    return {}


def _name(message: bytes, position: int) -> tuple[str, int]:
    """A name without its last dot, and where the next field begins.

    A pointer (RFC 1035 §4.1.4) leads backwards from the part of the name that it ends, or the name
    is refused, so no loop is possible. Raises ValueError and IndexError.
    """
    labels: list[str] = []
    after = 0
    octets = 1
    pointers = 0
    first = position
    while True:
        size = message[position]
        if size >= 0xC0:
            target = (size & 0x3F) << 8 | message[position + 1]
            after = after or position + 2
            pointers += 1
            if target >= first or pointers > _MAX_POINTERS:
                raise ValueError
            first = position = target
        elif size > 0x3F:
            raise ValueError
        elif size == 0:
            return ".".join(labels), after or position + 1
        else:
            octets += 1 + size
            position += 1 + size
            if octets > _MAX_NAME or position > len(message):
                raise ValueError
            labels.append(_text(message[position - size : position], _ESCAPES))


def _text(octets: bytes, escapes: dict[int, str] = _OCTETS) -> str:
    """Octets as text that any JSON reader and database takes."""
    text = octets.decode("latin-1")
    return text if octets.isalnum() else text.translate(escapes)
