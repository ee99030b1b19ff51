# SPDX-License-Identifier: GPL-2.0-or-later
# Counting by the keys of ``StatKey`` and ``SenderKey`` without making them for every message: what
# came last is counted here, and brought into the batch when another key needs its place.

from libc.stdint cimport INT64_MAX, INT64_MIN

cdef enum:
    PLACES = 256

cdef int64_t NO_OFFSET = INT64_MIN
cdef int64_t MINUTE = US_PER_MINUTE
cdef int CHALLENGED_CLASS = CHALLENGED


cdef struct Stat:
    int64_t minute
    int64_t messages
    int64_t octets
    Text method
    Text node_name
    uint32_t capture_id
    int status_class


cdef struct Sender:
    Text peer
    Text node_name
    uint32_t capture_id
    int64_t packets
    uint64_t last_id
    int64_t clock_offset


cdef struct Tally:
    Stat[PLACES] stats
    Sender[PLACES] senders


cdef inline uint64_t mix(uint64_t known, const Text *text) noexcept nogil:
    """A hash of the text and of what was ``known`` before."""
    cdef Py_ssize_t at
    for at in range(text.size):
        known = (known ^ text.data[at]) * <uint64_t>0x100000001B3
    return known


cdef inline uint32_t place(uint64_t known) noexcept nogil:
    return (known ^ known >> 32) % PLACES


cdef void clear_tally(Tally *tally) noexcept nogil:
    cdef int at
    for at in range(PLACES):
        tally.stats[at].messages = 0
        tally.senders[at].packets = 0


cdef int count_message(Tally *tally, object batch, Message *message, Packet *packet, int64_t ts) except -1:
    """One more message and its bytes."""
    cdef int status = message.status
    cdef int status_class = CHALLENGED_CLASS if status == 401 or status == 407 else status // 100
    cdef int64_t minute = ts // MINUTE
    cdef Text *method = &message.fields[F_METHOD]
    cdef Stat *stat = &tally.stats[
        place(mix(mix(minute * 31 + status_class + packet.capture_id * 961, method), &packet.node_name))
    ]
    if stat.messages and not (
        stat.minute == minute
        and stat.status_class == status_class
        and stat.capture_id == packet.capture_id
        and same(&stat.method, method)
        and same(&stat.node_name, &packet.node_name)
    ):
        write_stat(stat, batch)
    if not stat.messages:
        stat.minute = minute
        stat.status_class = status_class
        stat.capture_id = packet.capture_id
        stat.method = method[0]
        stat.node_name = packet.node_name
        stat.octets = 0
    stat.messages += 1
    stat.octets += packet.payload.size
    return 0


cdef int count_sender(
    Tally *tally, object batch, Text *peer, Packet *packet, uint64_t record_id, int64_t clock_offset
) except -1:
    """One more packet of a sender; ``NO_OFFSET`` when it said no time."""
    cdef Sender *sender = &tally.senders[place(mix(mix(packet.capture_id, peer), &packet.node_name))]
    if sender.packets and not (
        sender.capture_id == packet.capture_id
        and same(&sender.peer, peer)
        and same(&sender.node_name, &packet.node_name)
    ):
        write_sender(sender, batch)
    if not sender.packets:
        sender.capture_id = packet.capture_id
        sender.peer = peer[0]
        sender.node_name = packet.node_name
        sender.last_id = 0
        sender.clock_offset = NO_OFFSET
    sender.packets += 1
    sender.last_id = max(sender.last_id, record_id)
    if clock_offset != NO_OFFSET:
        sender.clock_offset = clock_offset
    return 0


cdef inline bytes node_of(const Text *node_name, uint32_t capture_id):
    return as_bytes(node_name) or b"%d" % capture_id


cdef int write_stat(Stat *stat, object batch) except -1:
    cdef tuple key = (
        stat.minute, node_of(&stat.node_name, stat.capture_id), as_bytes(&stat.method), stat.status_class
    )
    have = batch.stats.get(key)
    if have is None:
        have = batch.stats[key] = StatTally()
    have.messages += stat.messages
    have.octets += stat.octets
    stat.messages = 0
    return 0


cdef int write_sender(Sender *sender, object batch) except -1:
    cdef tuple key = (as_bytes(&sender.peer), node_of(&sender.node_name, sender.capture_id), 3)
    have = batch.senders.get(key)
    if have is None:
        have = batch.senders[key] = SenderTally()
    have.packets += sender.packets
    have.last_id = max(have.last_id, sender.last_id)
    if sender.clock_offset != NO_OFFSET:
        have.clock_offset = sender.clock_offset
    sender.packets = 0
    return 0


cdef int write_senders(Tally *tally, object batch) except -1:
    """Bring the senders into the batch: of their clocks the last message says how far off it is."""
    cdef int at
    for at in range(PLACES):
        if tally.senders[at].packets:
            write_sender(&tally.senders[at], batch)
    return 0


cdef int write_stats(Tally *tally, object batch) except -1:
    """Bring the messages and their bytes into the batch."""
    cdef int at
    for at in range(PLACES):
        if tally.stats[at].messages:
            write_stat(&tally.stats[at], batch)
    return 0
