# SPDX-License-Identifier: GPL-2.0-or-later
# SIP messages as nearly all of them are (RFC 3261): the same as ``sip.extract`` of a message without
# fault, or False.

cdef enum:
    # Headers, as in ``sip_header``.
    IGNORED, VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, PAI, PPI, RPID
    AUTH, PROXY_AUTH, USER_AGENT, SERVER, LENGTH
    EXPIRES, SESSION_ID, REPLACES, REFER_TO, REASON_HEADER, WARNING
    SLOTS

cdef enum:
    # Text columns, in the order of the row.
    F_CALL_ID, F_METHOD, F_REASON, F_TRANSPORT, F_NODE, F_CORRELATION_ID, F_RURI_USER, F_RURI_DOMAIN
    F_FROM_USER, F_FROM_DOMAIN, F_FROM_TAG, F_TO_USER, F_TO_DOMAIN, F_TO_TAG
    F_CONTACT_USER, F_CONTACT_DOMAIN, F_PAI_USER, F_PAI_DOMAIN, F_AUTH_USER, F_AUTH_REALM
    F_USER_AGENT, F_VIA_BRANCH
    FIELDS

cdef enum:
    MAX_HEAD = 65_535
    MAX_VIA = 8192
    MAX_CSEQ = 0x7FFF_FFFF

cdef uint64_t IS_HOST = (
    1 << F_RURI_DOMAIN | 1 << F_FROM_DOMAIN | 1 << F_TO_DOMAIN | 1 << F_CONTACT_DOMAIN | 1 << F_PAI_DOMAIN
)


cdef struct Message:
    Text[FIELDS] fields
    Text[SLOTS] headers
    Text via_transport
    Text cseq_method
    int kind
    int status
    int32_t cseq
    Py_ssize_t body_size
    bint ascii


cdef struct Head:
    Span start_line
    Span[SLOTS] headers
    Py_ssize_t body


cdef int slot_of(const Text *text, Span name) noexcept nogil:
    """The slot of a header name in any case, or its compact form."""
    cdef Py_ssize_t at = name.begin, end = name.end, size = name.end - name.begin
    cdef int first = byte_at(text, at) | 0x20
    if size == 1:
        if first == b"v": return VIA
        if first == b"f": return FROM
        if first == b"t": return TO
        if first == b"i": return CALL_ID
        if first == b"m": return CONTACT
        if first == b"l": return LENGTH
        if first == b"r": return REFER_TO
    elif size == 2:
        if has_any_case(text, at, end, b"to", 2): return TO
    elif size == 3:
        if has_any_case(text, at, end, b"via", 3): return VIA
    elif size == 4:
        if has_any_case(text, at, end, b"from", 4): return FROM
        if has_any_case(text, at, end, b"cseq", 4): return CSEQ
    elif size == 6:
        if has_any_case(text, at, end, b"server", 6): return SERVER
        if has_any_case(text, at, end, b"reason", 6): return REASON_HEADER
    elif size == 7:
        if has_any_case(text, at, end, b"call-id", 7): return CALL_ID
        if has_any_case(text, at, end, b"contact", 7): return CONTACT
        if has_any_case(text, at, end, b"expires", 7): return EXPIRES
        if has_any_case(text, at, end, b"warning", 7): return WARNING
    elif size == 8:
        if has_any_case(text, at, end, b"replaces", 8): return REPLACES
        if has_any_case(text, at, end, b"refer-to", 8): return REFER_TO
    elif size == 10:
        if has_any_case(text, at, end, b"user-agent", 10): return USER_AGENT
        if has_any_case(text, at, end, b"session-id", 10): return SESSION_ID
    elif size == 13:
        if has_any_case(text, at, end, b"authorization", 13): return AUTH
    elif size == 14:
        if has_any_case(text, at, end, b"content-length", 14): return LENGTH
    elif size == 15:
        if has_any_case(text, at, end, b"remote-party-id", 15): return RPID
    elif size == 19:
        if has_any_case(text, at, end, b"p-asserted-identity", 19): return PAI
        if has_any_case(text, at, end, b"proxy-authorization", 19): return PROXY_AUTH
    elif size == 20:
        if has_any_case(text, at, end, b"p-preferred-identity", 20): return PPI
    return IGNORED


cdef bint read_head(const Text *text, Head *head, bint *ascii) noexcept nogil:
    """The start line and the first value of each header: lines that end in CRLF, none folded."""
    cdef Py_ssize_t begin, end, colon, lines = 1
    cdef int slot
    end = find(text, b"\n", 0, MAX_HEAD)
    if end < 2 or byte_at(text, end - 1) != b"\r":
        return False
    head.start_line = make_span(0, end - 1)
    for begin in range(SLOTS):
        head.headers[begin] = make_span(0, 0)
    while True:
        begin = end + 1
        end = find(text, b"\n", begin, MAX_HEAD)
        if end <= begin or byte_at(text, end - 1) != b"\r":
            return False
        lines += 1
        if end == begin + 1:
            break
        if byte_at(text, begin) == b" ":
            return False
        colon = find(text, b":", begin, end - 1)
        if colon < 0:
            continue
        slot = slot_of(text, strip(text, begin, colon))
        if slot != IGNORED and not size_of(head.headers[slot]):
            head.headers[slot] = strip(text, colon + 1, end - 1)
    head.body = end + 1
    # CR and LF of each line, and nothing else that could pass for white space.
    return count_controls(text, head.body, ascii) == 2 * lines


cdef bint read_start_line(const Text *text, Span line, Message *message) noexcept nogil:
    """Status and reason, or method and request-URI."""
    cdef Span uri, user, host
    cdef Py_ssize_t at = line.begin
    cdef int64_t status
    if has(text, at, line.end, b"SIP/2.0 ", 8):
        at += 8
        if digits(text, make_span(at, line.end), &status) != 3 or not 100 <= status < 700:
            return False
        at += 3
        if at < line.end and byte_at(text, at) != b" ":
            return False
        message.status = status
        message.fields[F_REASON] = part(text, strip(text, at, line.end))
        return True
    while b"A" <= byte_at(text, at) <= b"Z":
        at += 1
    message.fields[F_METHOD] = part(text, make_span(line.begin, at))
    uri = make_span(at + 1, line.end - 8)
    if at == 0 or byte_at(text, at) != b" " or size_of(uri) <= 0:
        return False
    if find(text, b" ", uri.begin, uri.end) >= 0 or not has(text, uri.end, line.end, b" SIP/2.0", 8):
        return False
    if not read_uri(text, uri, &user, &host):
        return False
    message.fields[F_RURI_USER] = part(text, user)
    message.fields[F_RURI_DOMAIN] = part(text, host)
    return True


cdef inline int kind_of(const Text *method) noexcept nogil:
    """As ``sip.kind_of``: 0 for a call, 1 for a registration, 2 for others."""
    cdef Py_ssize_t size = method.size
    if size == 3:
        return 0 if has(method, 0, 3, b"ACK", 3) or has(method, 0, 3, b"BYE", 3) else 2
    if size == 4:
        return 0 if has(method, 0, 4, b"INFO", 4) else 2
    if size == 5:
        return 0 if has(method, 0, 5, b"PRACK", 5) or has(method, 0, 5, b"REFER", 5) else 2
    if size == 6:
        return 0 if (
            has(method, 0, 6, b"INVITE", 6) or has(method, 0, 6, b"CANCEL", 6)
            or has(method, 0, 6, b"UPDATE", 6) or has(method, 0, 6, b"NOTIFY", 6)
        ) else 2
    return 1 if has(method, 0, size, b"REGISTER", 8) and size == 8 else 2


cdef bint read_cseq(const Text *text, Span value, Message *message) noexcept nogil:
    """Number and method, both there."""
    cdef int64_t number
    cdef Py_ssize_t size = digits(text, value, &number), at
    at = skip_blanks(text, value.begin + size, value.end)
    if not size or number > MAX_CSEQ or at == value.begin + size or at == value.end:
        return False
    if find(text, b" ", at, value.end) >= 0:
        return False
    message.cseq = number
    message.cseq_method = part(text, make_span(at, value.end))
    return True


cdef bint read_via(const Text *text, Span value, Message *message) noexcept nogil:
    """Transport and branch of the top Via."""
    cdef Py_ssize_t at = value.begin + 8, begin = at, end
    cdef int byte
    if not size_of(value):
        return True
    if size_of(value) >= MAX_VIA or not has(text, value.begin, value.end, b"SIP/2.0/", 8):
        return False
    while at < value.end:
        byte = byte_at(text, at)
        if not (b"A" <= byte <= b"Z" or b"0" <= byte <= b"9" or byte in (b"_", b"-")):
            break
        at += 1
    if at == begin or b"a" <= byte_at(text, at) <= b"z":
        return False
    message.via_transport = part(text, make_span(begin, at))
    while at < value.end:
        byte = byte_at(text, at)
        if byte == b",":
            break
        if byte == b";":
            begin = skip_blanks(text, at + 1, value.end)
            if has_any_case(text, begin, value.end, b"branch", 6):
                end = skip_blanks(text, begin + 6, value.end)
                if end < value.end and byte_at(text, end) == b"=":
                    begin = skip_blanks(text, end + 1, value.end)
                    message.fields[F_VIA_BRANCH] = part(text, token(text, begin, value.end))
                    break
        at += 1
    return True


cdef inline Span first_of(Span one, Span other) noexcept nogil:
    return one if size_of(one) else other


cdef bint read_parties(const Text *text, Head *head, Message *message) noexcept nogil:
    """From, To, Contact, the identity and the credentials."""
    cdef Span user, host, parameters, value
    if not read_address(text, head.headers[FROM], &user, &host, &parameters):
        return False
    message.fields[F_FROM_USER] = part(text, user)
    message.fields[F_FROM_DOMAIN] = part(text, host)
    message.fields[F_FROM_TAG] = part(text, read_tag(text, parameters))
    if not read_address(text, head.headers[TO], &user, &host, &parameters):
        return False
    message.fields[F_TO_USER] = part(text, user)
    message.fields[F_TO_DOMAIN] = part(text, host)
    message.fields[F_TO_TAG] = part(text, read_tag(text, parameters))
    if not read_address(text, head.headers[CONTACT], &user, &host, &parameters):
        return False
    message.fields[F_CONTACT_USER] = part(text, user)
    message.fields[F_CONTACT_DOMAIN] = part(text, host)
    value = first_of(head.headers[PAI], first_of(head.headers[PPI], head.headers[RPID]))
    if not read_address(text, value, &user, &host, &parameters):
        return False
    message.fields[F_PAI_USER] = part(text, user)
    message.fields[F_PAI_DOMAIN] = part(text, host)
    value = first_of(head.headers[AUTH], head.headers[PROXY_AUTH])
    if size_of(value):
        if not (
            read_credential(text, value, b"username", 8, &user)
            and read_credential(text, value, b"realm", 5, &host)
        ):
            return False
        message.fields[F_AUTH_USER] = part(text, user)
        message.fields[F_AUTH_REALM] = part(text, host)
    return True


cdef bint read_sip(const Text *text, Message *message) noexcept nogil:
    """Read one message; False when the plain form must look at it."""
    cdef Head head
    cdef Span value
    cdef int64_t promised
    cdef int index
    for index in range(FIELDS):
        message.fields[index] = part(text, make_span(0, 0))
    message.via_transport = message.fields[0]
    message.status = 0
    if not (
        read_head(text, &head, &message.ascii)
        and read_start_line(text, head.start_line, message)
        and read_cseq(text, head.headers[CSEQ], message)
        and size_of(head.headers[CALL_ID])
        and read_parties(text, &head, message)
        and read_via(text, head.headers[VIA], message)
    ):
        return False
    message.body_size = text.size - head.body
    value = head.headers[LENGTH]
    if digits(text, value, &promised) != size_of(value) or message.body_size < promised:
        return False
    message.kind = kind_of(&message.cseq_method)
    if message.status:
        message.fields[F_METHOD] = message.cseq_method
    for index in range(SLOTS):
        message.headers[index] = part(text, head.headers[index])
    message.fields[F_CALL_ID] = message.headers[CALL_ID]
    message.fields[F_USER_AGENT] = part(text, first_of(head.headers[USER_AGENT], head.headers[SERVER]))
    return True
