# SPDX-License-Identifier: GPL-2.0-or-later
# cython: language_level=3, binding=False, embedsignature=False
"""Journal records in runs, in compiled form: the same as ``collector.journal.run``'s plain one."""

include "fingerprint.pxi"
include "text.pxi"
include "record.pxi"

cdef Py_ssize_t PACKET_FIELD = plain_form._fields.index("packet")


def pack(
    list packets, Py_ssize_t first, uint64_t record_id, bytes peer, int port, int transport, Py_ssize_t room
):
    """See ``collector.journal.run.pack_plain``."""
    cdef Py_ssize_t count = 0, size = 0, length
    cdef bytes packet, data
    cdef uint8_t *at
    cdef Text checked
    if peer is None or PyBytes_GET_SIZE(peer) != PEER_BYTES or first < 0:
        raise ValueError("a peer has 16 bytes, and places are not negative")
    while first + count < len(packets):
        packet = packets[first + count]
        if packet is None:
            raise TypeError
        size += RECORD_HEADER + PyBytes_GET_SIZE(packet)
        count += 1
        if size >= room:
            break
    data = PyBytes_FromStringAndSize(NULL, size)
    at = <uint8_t *>PyBytes_AS_STRING(data)
    for packet in packets[first : first + count]:
        length = PyBytes_GET_SIZE(packet)
        memcpy(at, b"KREC", 4)
        put_little_endian(at + 8, length, 4)
        put_little_endian(at + 12, record_id, 8)
        put_little_endian(at + 20, port, 2)
        put_little_endian(at + 22, transport, 2)
        memcpy(at + 24, PyBytes_AS_STRING(peer), PEER_BYTES)
        memcpy(at + RECORD_HEADER, PyBytes_AS_STRING(packet), length)
        checked.data = at + CHECKED_FROM
        checked.size = RECORD_HEADER - CHECKED_FROM + length
        put_little_endian(at + 4, checksum(&checked), 4)
        record_id += 1 << SLOT_BITS
        at += RECORD_HEADER + length
    return data, count


def unpack(bytes buffer):
    """See ``collector.journal.run.unpack_plain``."""
    cdef Text journal
    cdef Record found
    cdef Py_ssize_t at = 0
    cdef list records = []
    journal.data = <Bytes>PyBytes_AS_STRING(buffer)
    journal.size = PyBytes_GET_SIZE(buffer)
    while read_record(&journal, at, &found):
        records.append(plain_record(&journal, &found))
        at = found.end
    return records


def packets(list records, Py_ssize_t largest):
    """The packets of records if each is one of HEP3, as long as it says, and not longer than that.

    None when any is not: then ``collector.output.wire`` looks at each.
    """
    cdef Text packet
    cdef object found, data
    cdef list whole = []
    for found in records:
        if type(found) is not plain_form:
            return None
        data = (<tuple>found)[PACKET_FIELD]
        if type(data) is not bytes:
            return None
        packet.data = <Bytes>PyBytes_AS_STRING(data)
        packet.size = PyBytes_GET_SIZE(data)
        if packet.size > largest or not has(&packet, 0, packet.size, b"HEP3", 4):
            return None
        if packet.size < 6 or big_endian(&packet, make_span(4, 6)) != <uint64_t>packet.size:
            return None
        whole.append(data)
    return whole


cdef inline void put_little_endian(uint8_t *at, uint64_t number, int size) noexcept nogil:
    cdef int place
    for place in range(size):
        at[place] = number & 0xFF
        number >>= 8
