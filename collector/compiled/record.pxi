# SPDX-License-Identifier: GPL-2.0-or-later
# Records of the journal: the layout of ``collector.journal.record``.

include "crc.pxi"

from collector.journal.record import Record as plain_form

cdef object new_record = tuple.__new__

cdef enum:
    RECORD_HEADER = 40
    CHECKED_FROM = 8
    PEER_BYTES = 16
    SLOT_BITS = 6
    MAX_PACKET_BYTES = 1 << 20


cdef struct Record:
    Py_ssize_t end
    uint64_t id
    Text peer
    Text packet


cdef inline uint64_t little_endian(const Text *text, Py_ssize_t at, int size) noexcept nogil:
    cdef uint64_t number = 0
    while size > 0:
        size -= 1
        number = number << 8 | <uint8_t>byte_at(text, at + size)
    return number


cdef bint read_record(const Text *journal, Py_ssize_t at, Record *found) noexcept nogil:
    """The record at a place; False when there is no complete and intact one."""
    cdef Text checked
    cdef Py_ssize_t begin = at + RECORD_HEADER, length
    if begin > journal.size or not has(journal, at, begin, b"KREC", 4):
        return False
    length = little_endian(journal, at + 8, 4)
    if length > MAX_PACKET_BYTES or length > journal.size - begin:
        return False
    found.end = begin + length
    checked = part(journal, make_span(at + CHECKED_FROM, found.end))
    if checksum(&checked) != little_endian(journal, at + 4, 4):
        return False
    found.id = little_endian(journal, at + 12, 8)
    found.peer = part(journal, make_span(begin - PEER_BYTES, begin))
    found.packet = part(journal, make_span(begin, found.end))
    return True


cdef object plain_record(const Text *journal, const Record *found):
    """The same as the plain form has it."""
    cdef Text header = part(journal, make_span(found.end - found.packet.size - 20, found.end))
    return new_record(
        plain_form,
        (
            found.id,
            as_bytes(&found.peer),
            little_endian(&header, 0, 2),
            little_endian(&header, 2, 1),
            as_bytes(&found.packet),
            found.end,
        ),
    )
