# SPDX-License-Identifier: GPL-2.0-or-later
# cython: language_level=3, binding=False, embedsignature=False
"""The hop in compiled form: the same as ``plain``, which is its reference, byte for byte.

It reads SIP in HEP3 as nearly everybody sends it, without a Python object for a header. Whatever is
unusual in a packet, or wrong, or needs the selection, goes through the plain form: so this one
knows few cases, and each of them strictly.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from collector import columns, copy_binary
from collector.hop import plain
from collector.hop.batch import CHALLENGED, RUN, US_PER_MINUTE, SenderTally, StatTally
from collector.journal import record

cdef extern from *:
    # zlib's, declared here so that its headers need not be installed; the library always is.
    """
    extern unsigned long crc32(unsigned long, const unsigned char *, unsigned int);
    """
    unsigned long crc32(unsigned long, const unsigned char *, unsigned int) nogil

include "text.pxi"

include "hep.pxi"
include "address.pxi"
include "sip.pxi"
include "row.pxi"
include "tally.pxi"
include "fact.pxi"

cdef enum:
    RECORD_HEADER = 40
    MAX_PACKET_BYTES = 1 << 20


cdef struct Record:
    Py_ssize_t end
    uint64_t id
    Text peer
    Text packet


cdef struct Limits:
    # Of the hop's options, what ordinary messages depend on.
    int64_t accept_past
    int64_t accept_future
    Py_ssize_t max_field_bytes
    bint correlate


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
    checked = part(journal, make_span(at + 8, found.end))
    if crc32(0, checked.data, checked.size) != little_endian(journal, at + 4, 4):
        return False
    found.id = little_endian(journal, at + 12, 8)
    found.peer = part(journal, make_span(at + 24, begin))
    found.packet = part(journal, make_span(begin, found.end))
    return True


cdef bint file_message(Record *found, Packet *packet, Limits *limits, Filing *filing, int64_t *offset) noexcept nogil:
    """When to file a message; False when the plain form must say. ``offset`` is the clock's."""
    cdef int64_t arrival = found.id // 1000
    cdef int64_t sent = packet.seconds * 1_000_000 + packet.microseconds
    if found.id > <uint64_t>INT64_MAX:
        return False
    filing.record_id = found.id
    filing.has_sender_ts = False
    filing.ts = arrival
    offset[0] = NO_OFFSET
    if sent == 0:
        return True
    offset[0] = sent - arrival
    if -limits.accept_past <= offset[0] <= limits.accept_future:
        filing.ts = sent
    elif offset[0] < 0 and has(&packet.node_name, 0, packet.node_name.size, b"import/", 7):
        return False
    else:
        filing.has_sender_ts = True
        filing.sender_ts = sent
    return True


def encode(bytes buffer, object batch, object options, Py_ssize_t max_records):
    """See ``plain.encode``."""
    cdef Text journal
    cdef Record found
    cdef Packet packet
    cdef Message message
    cdef Filing filing
    cdef Limits limits
    cdef Tally tally
    cdef int64_t clock_offset
    cdef int64_t[3] first_ts = [INT64_MAX, INT64_MAX, INT64_MAX]
    cdef int64_t[3] last_ts = [-1, -1, -1]
    cdef Py_ssize_t offset = 0, records = 0, stored = 0, in_run = 0
    cdef int kind
    cdef list unusual = [], rows = [table.data for table in batch.rows[:3]], facts = batch.facts
    if options.selection is not None:
        return plain.encode(buffer, batch, options, max_records)
    journal.data = <Bytes>PyBytes_AS_STRING(buffer)
    journal.size = PyBytes_GET_SIZE(buffer)
    limits.accept_past = options.accept_past
    limits.accept_future = options.accept_future
    limits.max_field_bytes = options.max_field_bytes
    limits.correlate = options.correlate
    clear_tally(&tally)
    while records < max_records and read_record(&journal, offset, &found):
        if in_run == RUN:
            in_run = 0
            if batch.take is not None and facts:
                batch.take(facts)
                facts = batch.facts = []
        records += 1
        in_run += 1
        offset = found.end
        if not (
            read_hep(&found.packet, &packet)
            and read_sip(&packet.payload, &message)
            and complete(&message, &packet, limits.max_field_bytes)
            and file_message(&found, &packet, &limits, &filing, &clock_offset)
        ):
            unusual.append(plain_record(&journal, &found))
            if len(unusual) == RUN:
                write_senders(&tally, batch)
                plain.encode_run(batch, unusual, options)
                unusual = []
            continue
        if unusual:
            write_senders(&tally, batch)
            plain.encode_run(batch, unusual, options)
            unusual = []
        kind = message.kind
        write_row(rows[kind], &message, &packet, &filing)
        first_ts[kind] = min(first_ts[kind], filing.ts)
        last_ts[kind] = max(last_ts[kind], filing.ts)
        count_message(&tally, batch, &message, &packet, filing.ts)
        count_sender(&tally, batch, &found.peer, &packet, found.id, clock_offset)
        stored += 1
        if limits.correlate and kind != 2:
            facts.append(make_fact(&message, &packet, &filing))
    write_stats(&tally, batch)
    write_senders(&tally, batch)
    if unusual:
        plain.encode_run(batch, unusual, options)
    batch.records += records
    batch.causes[0] += stored
    for kind in range(3):
        if last_ts[kind] >= 0:
            table = batch.rows[kind]
            table.first_ts = min(table.first_ts, first_ts[kind])
            table.last_ts = max(table.last_ts, last_ts[kind])
    if batch.take is not None and facts:
        batch.take(facts)
        batch.facts = []
    return offset


cdef object plain_record(const Text *journal, Record *found):
    cdef Text header = part(journal, make_span(found.end - found.packet.size - 20, found.end))
    return record.Record(
        found.id,
        as_bytes(&found.peer),
        little_endian(&header, 0, 2),
        little_endian(&header, 2, 1),
        as_bytes(&found.packet),
        found.end,
    )


cdef extern from *:
    # Given by the build: ``sources.fingerprint``.
    const char *FINGERPRINT

SOURCES = FINGERPRINT.decode()
