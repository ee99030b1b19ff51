# SPDX-License-Identifier: GPL-2.0-or-later
"""What mutations begin with: the bytes of every sender, and inputs that were interesting once.

The files in ``corpus/`` are named by what is special about them. ``.hep`` is a packet, ``.sip`` a
message, ``.json`` and ``.txt`` the payload of a quality report; a name that ends in ``.rep`` is a
recipe for one that is long: Python's literal of a list of ``[bytes, count]``, joined.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests import quality_json
from tests.collector.test_protobuf import FIELDS, field
from tests.hep_bytes import chunk, ports_first
from tests.senders import SENDERS

FILES: Final = Path(__file__).parent / "corpus"
_TYPES: Final = {"json": 5, "txt": 35}


def seeds() -> dict[str, bytes]:
    """HEP packets by name."""
    found = {sender.name: sender.packet for sender in SENDERS}
    found["heplify protobuf"] = b"".join(field(*item) for item in FIELDS.items())
    found |= {name: _packed(kind, data) for name, kind, data in _files()}
    return found


def messages() -> dict[str, bytes]:
    """SIP messages by name."""
    return {name: data for name, kind, data in _files() if kind == "sip"}


def payloads() -> list[bytes]:
    """Payloads of quality reports, as senders write them."""
    return [value for value in vars(quality_json).values() if isinstance(value, bytes)]


def _files() -> Iterator[tuple[str, str, bytes]]:
    """Name, kind and bytes of each file."""
    for path in sorted(FILES.iterdir()):
        data = path.read_bytes()
        parts = path.name.split(".")
        if parts[-1] == "rep":
            data = b"".join(piece * count for piece, count in ast.literal_eval(data.decode()))
        yield parts[0], parts[1], data


def _packed(kind: str, data: bytes) -> bytes:
    if kind == "hep":
        return data
    if len(data) > 65_000:
        message = "a file of the corpus must fit into a packet"
        raise ValueError(message)
    if kind == "sip":
        return ports_first(17, 1, 7, False, chunk(0x0F, data))
    return ports_first(17, _TYPES[kind], 7, False, chunk(0x11, b"c"), chunk(0x0F, data))
