# SPDX-License-Identifier: GPL-2.0-or-later
# Reading bytes that anybody may have sent. Only these functions look at them, and each compares
# where it looks with the size of what there is: outside there is -1, nothing, or False.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

ctypedef const uint8_t *Bytes


cdef struct Text:
    Bytes data
    Py_ssize_t size


cdef struct Span:
    # A part of a Text; nothing when both are the same.
    Py_ssize_t begin
    Py_ssize_t end


cdef inline Text literal(const char *word, Py_ssize_t size) noexcept nogil:
    cdef Text text
    text.data = <Bytes>word
    text.size = size
    return text


cdef inline Text part(const Text *text, Span span) noexcept nogil:
    """The bytes of a span; none when it is not within the text."""
    cdef Text found
    found.data = text.data
    found.size = 0
    if 0 <= span.begin <= span.end <= text.size:
        found.data = text.data + span.begin
        found.size = span.end - span.begin
    return found


cdef inline bytes as_bytes(const Text *text):
    return PyBytes_FromStringAndSize(<const char *>text.data, text.size)


cdef inline Span make_span(Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Span span
    span.begin = begin
    span.end = end
    return span


cdef inline Py_ssize_t size_of(Span span) noexcept nogil:
    return span.end - span.begin


cdef inline int byte_at(const Text *text, Py_ssize_t at) noexcept nogil:
    """The byte at a place; -1 when the text has no such place."""
    return text.data[at] if 0 <= at < text.size else -1


cdef inline Py_ssize_t find(const Text *text, int what, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """The first place of a byte from ``begin`` on and before ``end``; -1 when it has none."""
    cdef const void *found
    if end > text.size:
        end = text.size
    if begin < 0 or begin >= end:
        return -1
    found = memchr(text.data + begin, what, end - begin)
    return -1 if found is NULL else <Bytes>found - text.data


cdef inline bint has(const Text *text, Py_ssize_t at, Py_ssize_t end, const char *word, Py_ssize_t size) noexcept nogil:
    """Whether ``word`` stands at a place, all of it before ``end``."""
    if at < 0 or end > text.size or size > end - at:
        return False
    return memcmp(text.data + at, word, size) == 0


cdef inline bint same(const Text *one, const Text *other) noexcept nogil:
    return one.size == other.size and (one.size == 0 or memcmp(one.data, other.data, one.size) == 0)


cdef inline bint has_any_case(const Text *text, Py_ssize_t at, Py_ssize_t end, const char *word, Py_ssize_t size) noexcept nogil:
    """The same for a word of small letters, ``-`` and digits, in either case in the text.

    CR passes for ``-``, and NUL for a blank: look for them before.
    """
    cdef Py_ssize_t position
    if at < 0 or end > text.size or size > end - at:
        return False
    for position in range(size):
        if text.data[at + position] | 0x20 != <uint8_t>word[position]:
            return False
    return True


cdef inline Py_ssize_t skip_blanks(const Text *text, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """The first place from ``at`` on that has no blank; ``end`` when there is none."""
    while at < end and byte_at(text, at) == b" ":
        at += 1
    return at


cdef inline Span strip(const Text *text, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Without the blanks at both ends."""
    begin = skip_blanks(text, begin, end)
    while end > begin and byte_at(text, end - 1) == b" ":
        end -= 1
    return make_span(begin, end)


cdef inline Py_ssize_t count_controls(const Text *text, Py_ssize_t end, bint *ascii) noexcept nogil:
    """Control characters before ``end``, and whether all is ASCII there."""
    # A simple loop, which the compiler makes into one over 16 bytes.
    cdef Py_ssize_t count = 0, position
    cdef uint8_t byte, every = 0
    if end > text.size:
        end = text.size
    for position in range(end):
        byte = text.data[position]
        every |= byte
        count += (byte < 0x20) | (byte == 0x7F)
    ascii[0] = every < 0x80
    return count


cdef inline bint is_ascii(const Text *text) noexcept nogil:
    """Whether every byte is ASCII other than NUL."""
    cdef uint8_t bad = 0, byte
    cdef Py_ssize_t position
    for position in range(text.size):
        byte = text.data[position]
        bad |= (byte & 0x80) | (byte == 0)
    return not bad


cdef inline Py_ssize_t digits(const Text *text, Span span, int64_t *number) noexcept nogil:
    """How many of up to ten digits a span begins with, and their number."""
    cdef Py_ssize_t at = span.begin
    cdef int byte
    number[0] = 0
    while at < span.end and at - span.begin < 10:
        byte = byte_at(text, at)
        if byte < b"0" or byte > b"9":
            break
        number[0] = number[0] * 10 + byte - 48
        at += 1
    return at - span.begin


cdef inline uint64_t big_endian(const Text *text, Span span) noexcept nogil:
    """An unsigned number in network byte order."""
    cdef uint64_t number = 0
    cdef Py_ssize_t at
    for at in range(span.begin, span.end):
        number = number << 8 | <uint8_t>byte_at(text, at)
    return number
