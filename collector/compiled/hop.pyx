# SPDX-License-Identifier: GPL-2.0-or-later
# cython: language_level=3, binding=False, embedsignature=False
"""The hop in compiled form: the same as ``plain``, which is its reference, byte for byte.

It reads SIP in HEP3 as nearly everybody sends it, without a Python object for a header. Whatever is
unusual in a packet, or wrong, or needs the selection, goes through the plain form: so this one
knows few cases, and each of them strictly.
"""

from collector import columns, copy_binary
from collector.hop import plain
from collector.hop.batch import CHALLENGED, RUN, US_PER_MINUTE, SenderTally, StatTally

include "fingerprint.pxi"
include "text.pxi"
include "record.pxi"
include "hep.pxi"
include "address.pxi"
include "sip.pxi"
include "row.pxi"
include "tally.pxi"
include "fact.pxi"
include "pending.pxi"
include "staging.pxi"


cdef struct Limits:
    # Of the hop's options, what ordinary messages depend on.
    int64_t accept_past
    int64_t accept_future
    Py_ssize_t max_field_bytes
    bint correlate


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
    cdef Py_ssize_t offset = 0, records = 0, stored = 0
    cdef int kind
    cdef object pending = batch.pending
    cdef dict legs = None, registrations = None
    cdef list unusual = [], rows = [table.data for table in batch.rows[:3]], facts = batch.facts
    if options.selection is not None:
        return plain.encode(buffer, batch, options, max_records)
    journal.data = <Bytes>PyBytes_AS_STRING(buffer)
    journal.size = PyBytes_GET_SIZE(buffer)
    limits.accept_past = options.accept_past
    limits.accept_future = options.accept_future
    limits.max_field_bytes = options.max_field_bytes
    limits.correlate = options.correlate
    if pending is not None:
        legs, registrations = pending.legs, pending.registrations
    clear_tally(&tally)
    while records < max_records and read_record(&journal, offset, &found):
        records += 1
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
            if pending is None:
                facts.append(make_fact(&message, &packet, &filing))
            else:
                merge(pending, legs, registrations, &message, &packet, &filing)
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
    return offset
