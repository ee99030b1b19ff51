# SPDX-License-Identifier: GPL-2.0-or-later
# What correlation gets of a message: the same as in the plain form.

from collector.correlation.fact import Fact
from collector.hep import Hep
from collector.sip import Kind, Sip

cdef tuple KINDS = tuple(Kind)
cdef object new_tuple = tuple.__new__
cdef dict NO_CHUNKS = {}


cdef enum:
    SHARED = 256
    SHARED_BYTES = 64

cdef list shared = [b""] * SHARED


cdef inline bytes host_bytes(const Text *text):
    """In small letters, as nearly all hosts come."""
    cdef Py_ssize_t at
    for at in range(text.size):
        if b"A" <= text.data[at] <= b"Z":
            return as_bytes(text).lower()
    return as_shared(text)


cdef inline bytes as_shared(const Text *text):
    """The object that the same value had before, if it still has its place: for what comes often."""
    cdef Text known
    cdef bytes have
    cdef uint32_t at
    if not 0 < text.size <= SHARED_BYTES:
        return as_bytes(text)
    at = text.data[0] * 31 + text.data[text.size - 1] * 7 + text.data[text.size // 2] + text.size
    have = shared[at % SHARED]
    known.data = <Bytes>PyBytes_AS_STRING(have)
    known.size = PyBytes_GET_SIZE(have)
    if not same(&known, text):
        have = shared[at % SHARED] = as_bytes(text)
    return have


cdef object make_fact(Message *message, Packet *packet, Filing *filing):
    cdef Text *fields = message.fields
    cdef Text *headers = message.headers
    cdef bytes call_id = as_bytes(&fields[F_CALL_ID])
    cdef bytes node = as_shared(&packet.node)
    found = new_tuple(Sip, (
        KINDS[message.kind],
        as_shared(&fields[F_METHOD]),
        message.status,
        as_shared(&fields[F_REASON]),
        call_id,
        message.cseq,
        as_bytes(&fields[F_RURI_USER]),
        host_bytes(&fields[F_RURI_DOMAIN]),
        as_bytes(&fields[F_FROM_USER]),
        host_bytes(&fields[F_FROM_DOMAIN]),
        as_bytes(&fields[F_FROM_TAG]),
        as_bytes(&fields[F_TO_USER]),
        host_bytes(&fields[F_TO_DOMAIN]),
        as_bytes(&fields[F_TO_TAG]),
        as_bytes(&fields[F_CONTACT_USER]),
        host_bytes(&fields[F_CONTACT_DOMAIN]),
        as_bytes(&fields[F_PAI_USER]),
        host_bytes(&fields[F_PAI_DOMAIN]),
        as_bytes(&fields[F_AUTH_USER]),
        as_bytes(&fields[F_AUTH_REALM]),
        as_shared(&fields[F_USER_AGENT]),
        as_shared(&message.via_transport),
        as_bytes(&fields[F_VIA_BRANCH]),
        None,
        as_bytes(&headers[CONTACT]),
        as_shared(&headers[EXPIRES]),
        as_bytes(&headers[SESSION_ID]),
        as_bytes(&headers[REPLACES]),
        as_bytes(&headers[REFER_TO]),
        as_bytes(&headers[REASON_HEADER]),
        as_bytes(&headers[WARNING]),
        message.body_size,
    ))
    captured = new_tuple(Hep, (
        3,
        packet.protocol,
        as_shared(&packet.src_ip),
        as_shared(&packet.dst_ip),
        packet.src_port,
        packet.dst_port,
        packet.seconds,
        packet.microseconds,
        1,
        packet.capture_id,
        as_bytes(&packet.payload),
        as_bytes(&packet.correlation_id),
        as_shared(&packet.node_name),
        as_shared(&packet.auth_key),
        packet.vlan,
        NO_CHUNKS,
    ))
    return new_tuple(Fact, (
        filing.ts, filing.record_id, call_id, captured, found, node, b"", b"", ""
    ))
