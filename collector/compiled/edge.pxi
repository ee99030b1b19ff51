# SPDX-License-Identifier: GPL-2.0-or-later
# What a message says about other legs: the same as ``Pending.add_edges``, for HEP's correlation id and
# Session-ID as nearly all write it. What is rare goes there.

from collector.correlation.links import SESSION_PREFIX, Edge, Reason

cdef enum:
    SESSION_DIGITS = 32

cdef object BY_HEP = Reason.HEP, BY_SESSION = Reason.SESSION
cdef bytes BEFORE_SESSION = SESSION_PREFIX


cdef inline bint has_edges(Message *message) noexcept nogil:
    """Whether there may be any; two headers count in requests only."""
    if message.fields[F_CORRELATION_ID].size or message.headers[SESSION_ID].size:
        return True
    return not message.status and (
        message.headers[REPLACES].size > 0 or message.headers[REFER_TO].size > 0
    )


cdef int read_half(const Text *value, Py_ssize_t at) noexcept nogil:
    """1 for half of a Session-ID at a place, 0 for one of zeros, -1 for anything else."""
    cdef int byte, known = 0
    cdef Py_ssize_t place
    for place in range(at, at + SESSION_DIGITS):
        byte = byte_at(value, place)
        if not (b"0" <= byte <= b"9" or b"a" <= byte <= b"f"):
            return -1
        known |= byte != b"0"
    return known


cdef int add_edge(dict edges, bytes call_id, bytes linked_id, object reason, bytes detail) except -1:
    cdef tuple key = (call_id, linked_id, reason)
    have = edges.get(key)
    if have is None or detail < <bytes>have[2]:
        edges[key] = new_tuple(Edge, (linked_id, reason, detail))
    return 0


cdef bint merge_edges(dict edges, bytes call_id, Message *message) except -1:
    """Take one message into account; False when the plain form must do it."""
    cdef Text *given = &message.fields[F_CORRELATION_ID]
    cdef Text *session = &message.headers[SESSION_ID]
    cdef int local = 0, remote = 0
    cdef Text half
    cdef bytes detail
    if given.size > MAX_TEXT_BYTES or not message.status and (
        message.headers[REPLACES].size or message.headers[REFER_TO].size
    ):
        return False
    if session.size:
        local = read_half(session, 0)
        if session.size != SESSION_DIGITS:
            if session.size != 2 * SESSION_DIGITS + 8 or not has(session, SESSION_DIGITS, session.size, b";remote=", 8):
                return False
            remote = read_half(session, SESSION_DIGITS + 8)
        if local < 0 or remote < 0:
            return False
    if given.size:
        add_edge(edges, call_id, as_bytes(given), BY_HEP, b"")
    if session.size:
        detail = as_bytes(session)
        if local:
            half = part(session, make_span(0, SESSION_DIGITS))
            add_edge(edges, call_id, BEFORE_SESSION + as_bytes(&half), BY_SESSION, detail)
        if remote:
            half = part(session, make_span(session.size - SESSION_DIGITS, session.size))
            add_edge(edges, call_id, BEFORE_SESSION + as_bytes(&half), BY_SESSION, detail)
    return True
