# SPDX-License-Identifier: GPL-2.0-or-later
"""Many records behind each other, as they are appended and read at once. Bytes in, bytes out.

``pack`` and ``unpack`` are ``collector.compiled.records`` where that is built, else the plain forms
here, which are its reference.
"""

from __future__ import annotations

from itertools import islice

from collector.compiled import sources
from collector.journal import record
from collector.journal.record import SLOT_BITS, Record


def pack_plain(
    packets: list[bytes],
    first: int,
    record_id: int,
    peer: bytes,
    port: int,
    transport: int,
    room: int,
) -> tuple[bytes, int]:
    """The records of packets from the ``first`` on, and of how many.

    They end with the one that reaches ``room`` bytes. ``record_id`` is that of the first; the
    others have the next ones of the slot. The rest is as in ``record.pack``.
    """
    records: list[bytes] = []
    size = 0
    for packet in islice(packets, first, None):
        data = record.pack(record_id, peer, port, transport, packet)
        records.append(data)
        record_id += 1 << SLOT_BITS
        size += len(data)
        if size >= room:
            break
    return b"".join(records), len(records)


def unpack_plain(buffer: bytes) -> list[Record]:
    """The records from the beginning up to the first that is not complete and intact."""
    records = []
    offset = 0
    while (found := record.unpack(buffer, offset)) is not None:
        records.append(found)
        offset = found.end
    return records


_compiled = sources.load(sources.RECORDS).module
pack = _compiled.pack if _compiled else pack_plain
unpack = _compiled.unpack if _compiled else unpack_plain
