# SPDX-License-Identifier: GPL-2.0-or-later
# Users and hosts out of URIs and header values, in the spellings that senders use: the same as
# ``sip_address``, or False. What is read has no control characters.

cdef inline bint ends_host(int byte) noexcept nogil:
    return byte in (b":", b";", b"?", b">", b",", b" ", b"[", b"]")


cdef inline Py_ssize_t scheme(const Text *text, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Bytes of ``sip:`` or ``sips:``; 0 when it is neither."""
    if has(text, at, end, b"sip:", 4):
        return 4
    return 5 if has(text, at, end, b"sips:", 5) else 0


cdef bint read_authority(const Text *text, Py_ssize_t at, Py_ssize_t end, Span *user, Span *host) noexcept nogil:
    """User and host of a SIP URI behind its scheme."""
    cdef Py_ssize_t sign = find(text, b"@", at, end), last = at
    user[0] = make_span(0, 0)
    if sign >= 0:
        while last < sign and byte_at(text, last) not in (b":", b";"):
            last += 1
        user[0] = make_span(at, last)
        last = at = sign + 1
    if byte_at(text, at) == b"[" and at < end:
        last = find(text, b"]", at, end)
        host[0] = make_span(at + 1, last)
        return last >= 0
    while last < end and not ends_host(byte_at(text, last)):
        last += 1
    host[0] = make_span(at, last)
    return True


cdef bint read_uri(const Text *text, Span uri, Span *user, Span *host) noexcept nogil:
    """User and host of a ``sip:``, ``sips:`` or ``tel:`` URI."""
    cdef Py_ssize_t size = scheme(text, uri.begin, uri.end), end
    host[0] = make_span(0, 0)
    if size:
        return read_authority(text, uri.begin + size, uri.end, user, host)
    if not has(text, uri.begin, uri.end, b"tel:", 4):
        return False
    end = find(text, b";", uri.begin, uri.end)
    user[0] = strip(text, uri.begin + 4, uri.end if end < 0 else end)
    return True


cdef bint read_address(const Text *text, Span value, Span *user, Span *host, Span *parameters) noexcept nogil:
    """User, host and header parameters of the first address in a header value; all may be empty."""
    cdef Py_ssize_t at = value.begin, end
    cdef int byte = byte_at(text, at)
    parameters[0] = make_span(0, 0)
    if not size_of(value) or size_of(value) == 1 and byte == b"*":
        user[0] = host[0] = make_span(0, 0)
        return True
    if scheme(text, value.begin, value.end):
        return read_bare_address(text, value, user, host, parameters)
    if byte == b'"':
        end = find(text, b'"', at + 1, value.end)
        if end < 0 or find(text, b"\\", at, end) >= 0:
            return False
        at = end + 1
    while at < value.end:
        byte = byte_at(text, at)
        if byte == b"<":
            break
        if byte == b'"' or byte == b":":
            return False
        at += 1
    end = find(text, b">", at, value.end)
    if end < 0:
        return False
    parameters[0] = make_span(end + 1, value.end)
    return read_uri(text, make_span(at + 1, end), user, host)


cdef bint read_bare_address(const Text *text, Span value, Span *user, Span *host, Span *parameters) noexcept nogil:
    """An address without angle brackets."""
    cdef Py_ssize_t end = find(text, b",", value.begin, value.end), sign
    if end >= 0:
        value.end = end
    sign = find(text, b"@", value.begin, value.end)
    end = find(text, b";", value.begin if sign < 0 else sign, value.end)
    if end >= 0:
        parameters[0] = make_span(end, value.end)
        value.end = end
    return read_uri(text, value, user, host)


cdef Span read_tag(const Text *text, Span parameters) noexcept nogil:
    """The tag among the header parameters of From or To."""
    cdef Py_ssize_t at = parameters.begin, end
    while at < parameters.end:
        if byte_at(text, at) in (b";", b" ") and has_any_case(text, at + 1, parameters.end, b"tag", 3):
            end = skip_blanks(text, at + 4, parameters.end)
            if end < parameters.end and byte_at(text, end) == b"=":
                return token(text, skip_blanks(text, end + 1, parameters.end), parameters.end)
        at += 1
    return make_span(0, 0)


cdef inline Span token(const Text *text, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """What stands before the next semicolon, comma or blank."""
    cdef Py_ssize_t at = begin
    while at < end and byte_at(text, at) not in (b";", b",", b" "):
        at += 1
    return make_span(begin, at)


cdef bint read_credential(const Text *text, Span value, const char *name, Py_ssize_t size, Span *found) noexcept nogil:
    """A parameter of (Proxy-)Authorization, quoted or not; nothing when it is not there."""
    cdef Py_ssize_t at = value.begin, end
    found[0] = make_span(0, 0)
    while at < value.end:
        if byte_at(text, at) in (b" ", b",") and has_any_case(text, at + 1, value.end, name, size):
            end = skip_blanks(text, at + 1 + size, value.end)
            if end < value.end and byte_at(text, end) == b"=":
                break
        at += 1
    else:
        return True
    at = skip_blanks(text, end + 1, value.end)
    if at < value.end and byte_at(text, at) == b'"':
        end = find(text, b'"', at + 1, value.end)
        found[0] = make_span(at + 1, end)
        return end >= 0 and find(text, b"\\", at, end) < 0
    end = at
    while end < value.end and byte_at(text, end) not in (b'"', b",", b" "):
        end += 1
    found[0] = make_span(at, end)
    return True
