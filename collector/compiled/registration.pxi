# SPDX-License-Identifier: GPL-2.0-or-later
# What REGISTER and its responses say: the same as ``registration.add``. What is rare goes there.

from collector.correlation import registration as registrations_of
from collector.correlation.columns import REGISTRATION

cdef enum:
    SEARCHED_BYTES = 1024
    LONGEST_EXPIRES = 0x7FFF_FFFF

cdef int REGISTRATION_SLOTS = len(REGISTRATION)
cdef int R_FIRST_AT = registrations_of.FIRST_AT, R_LAST_AT = registrations_of.LAST_AT
cdef int R_REQUESTS = registrations_of.REQUESTS, R_CHALLENGES = registrations_of.CHALLENGES
cdef int R_FAILURES = registrations_of.FAILURES, R_REQUEST = registrations_of.REQUEST
cdef int R_RESPONSE = registrations_of.RESPONSE, R_SUCCESS = registrations_of.SUCCESS
cdef int R_FAILURE = registrations_of.FAILURE, R_AUTH_USER = registrations_of.AUTH_USER


cdef bint read_contact_expires(const Text *contact, int64_t *seconds) noexcept nogil:
    """The parameter ``expires`` of Contact; False when it has none."""
    cdef Py_ssize_t at = -1, begin
    while True:
        at = find(contact, b";", at + 1, contact.size)
        if at < 0:
            return False
        begin = skip_blanks(contact, at + 1, contact.size)
        if not has_any_case(contact, begin, contact.size, b"expires", 7):
            continue
        begin = skip_blanks(contact, begin + 7, contact.size)
        if byte_at(contact, begin) != b"=":
            continue
        begin = skip_blanks(contact, begin + 1, contact.size)
        if byte_at(contact, begin) == b'"':
            begin += 1
        if digits(contact, make_span(begin, contact.size), seconds):
            return True


cdef object expires_of(Message *message):
    """Seconds of the first Contact, else of the Expires header; None when neither says."""
    cdef const Text *header = &message.headers[EXPIRES]
    cdef int64_t seconds
    cdef Py_ssize_t at
    if not read_contact_expires(&message.headers[CONTACT], &seconds):
        if not digits(header, make_span(0, header.size), &seconds):
            return None
        for at in range(header.size):
            if not b"0" <= byte_at(header, at) <= b"9":
                return None
    return min(seconds, LONGEST_EXPIRES)


cdef inline int increase(list registration, int slot) except -1:
    registration[slot] += 1
    return 0


cdef tuple request_of(object ts, object record_id, Message *message, Packet *packet):
    cdef Text *fields = message.fields
    return (
        ts, record_id, message.cseq, expires_of(message), as_bytes(&message.headers[CONTACT]),
        as_bytes(&fields[F_CONTACT_USER]), host_bytes(&fields[F_CONTACT_DOMAIN]),
        packet.src_port, packet.dst_port, as_shared(&packet.src_ip), as_shared(&packet.dst_ip),
        as_shared(&fields[F_TRANSPORT]), as_shared(&packet.node), as_shared(&fields[F_USER_AGENT]),
    )


cdef int add_final(list registration, object ts, object record_id, Message *message, Filing *filing) except -1:
    """A final response."""
    cdef int status = message.status
    if status == 401 or status == 407:
        increase(registration, R_CHALLENGES)
    elif status >= 300:
        increase(registration, R_FAILURES)
        if is_later(registration[R_FAILURE], filing):
            registration[R_FAILURE] = (ts, record_id, status, as_shared(&message.fields[F_REASON]))
    elif is_later(registration[R_SUCCESS], filing):
        registration[R_SUCCESS] = (ts, record_id, expires_of(message))
    if is_later(registration[R_RESPONSE], filing):
        registration[R_RESPONSE] = (
            ts, record_id, message.cseq, status, as_shared(&message.fields[F_REASON])
        )
    return 0


cdef bint merge_registration(dict known, bytes call_id, Message *message, Packet *packet, Filing *filing) except -1:
    """Take one more message into account; False when the plain form must do it."""
    cdef Text *fields = message.fields
    cdef object ts, record_id
    cdef bytes aor, name
    cdef list registration
    cdef tuple key
    if (
        fields[F_TO_USER].size + 1 + fields[F_TO_DOMAIN].size > MAX_TEXT_BYTES
        or fields[F_AUTH_USER].size > MAX_TEXT_BYTES
        or message.headers[CONTACT].size > SEARCHED_BYTES
    ):
        return False
    aor = host_bytes(&fields[F_TO_DOMAIN])
    if fields[F_TO_USER].size:
        aor = as_bytes(&fields[F_TO_USER]) + b"@" + aor
    key = (call_id, aor)
    ts, record_id = filing.ts, filing.record_id
    registration = known.get(key)
    if registration is None:
        registration = known[key] = [None] * REGISTRATION_SLOTS
        registration[R_FIRST_AT] = registration[R_LAST_AT] = ts
        registration[R_REQUESTS] = registration[R_CHALLENGES] = registration[R_FAILURES] = 0
    elif filing.ts < <int64_t>registration[R_FIRST_AT]:
        registration[R_FIRST_AT] = ts
    elif filing.ts > <int64_t>registration[R_LAST_AT]:
        registration[R_LAST_AT] = ts
    if message.status >= 200:
        add_final(registration, ts, record_id, message, filing)
    elif not message.status:
        increase(registration, R_REQUESTS)
        if fields[F_AUTH_USER].size:
            name = as_bytes(&fields[F_AUTH_USER])
            if registration[R_AUTH_USER] is None or name > registration[R_AUTH_USER]:
                registration[R_AUTH_USER] = name
        if is_later(registration[R_REQUEST], filing):
            registration[R_REQUEST] = request_of(ts, record_id, message, packet)
    return True
