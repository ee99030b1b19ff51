# SPDX-License-Identifier: GPL-2.0-or-later
# Where the audio of a session goes, of a body as nearly all are: the same as ``sdp.parse``, which
# reads the others. The lines that name codecs are the same in each call of a phone, so what comes of
# them is kept.

from collector import sdp

cdef enum:
    NAMING_BYTES = 1024
    MAX_RTPMAPS = 16
    # Texts that name codecs; when there are more, all are forgotten.
    MAX_NAMINGS = 1000

cdef dict namings = {}


cdef struct Audio:
    # Of the first stream: its line behind the port, its lines for codecs, and its address.
    int port
    uint8_t[4] ip
    uint8_t[NAMING_BYTES] naming
    Py_ssize_t naming_bytes


cdef bint read_quad(const Text *text, Py_ssize_t at, Py_ssize_t end, uint8_t *ip) noexcept nogil:
    """An IPv4 address in its usual form, up to the end of the line."""
    cdef int64_t number
    cdef Py_ssize_t size
    cdef int index
    for index in range(4):
        size = digits(text, make_span(at, end), &number)
        if not 1 <= size <= 3 or number > 255 or size > 1 and byte_at(text, at) == b"0":
            return False
        ip[index] = number
        at += size
        if index < 3:
            if at >= end or byte_at(text, at) != b".":
                return False
            at += 1
    return at == end


cdef bint read_rtpmap(const Text *text, Py_ssize_t at, Py_ssize_t end, Out *naming) noexcept nogil:
    """Number and name of a format: both must be there."""
    cdef Py_ssize_t blank = find(text, b" ", at, end), slash
    slash = find(text, b"/", blank, end)
    if blank < 0 or slash < 0:
        return False
    put(naming, b"\n", 1)
    put_part(naming, text, at, slash)
    return True


cdef bint read_media(const Text *text, Py_ssize_t at, Py_ssize_t end, Audio *audio, Out *naming) noexcept nogil:
    """The line of a stream behind ``m=audio``; False when the stream is refused."""
    cdef int64_t port
    cdef Py_ssize_t size = digits(text, make_span(at, end), &port)
    at += size
    if not 1 <= size <= 5 or not 1 <= port <= 0xFFFF or at >= end or byte_at(text, at) != b" ":
        return False
    audio.port = port
    put_part(naming, text, at, end)
    return True


cdef bint read_audio(const Text *text, Audio *audio) noexcept nogil:
    """Read a body; False when the plain form must look at it."""
    cdef Py_ssize_t at = 0, end, last
    cdef int rtpmaps = 0
    cdef bint in_media = False, has_ip = False, has_own_ip = False
    cdef Out naming
    naming.data = audio.naming
    naming.size = NAMING_BYTES
    naming.at = 0
    if not has(text, 0, text.size, b"v=0", 3):
        return False
    while at < text.size:
        end = find(text, b"\n", at, text.size)
        if end < 0:
            end = text.size
        last = end - 1 if end > at and byte_at(text, end - 1) == b"\r" else end
        if has(text, at, last, b"m=", 2):
            if in_media:
                break
            if not has(text, at, last, b"m=audio ", 8) or not read_media(text, at + 8, last, audio, &naming):
                return False
            in_media = True
        elif has(text, at, last, b"c=IN IP", 7):
            if not (has_own_ip if in_media else has_ip):
                if not has(text, at, last, b"c=IN IP4 ", 9) or not read_quad(text, at + 9, last, audio.ip):
                    return False
            has_ip = True
            has_own_ip = in_media
        elif in_media and has(text, at, last, b"a=rtpmap:", 9):
            rtpmaps += 1
            if rtpmaps > MAX_RTPMAPS or not read_rtpmap(text, at + 9, last, &naming):
                return False
        at = end + 1
    audio.naming_bytes = naming.at
    return in_media and has_ip and naming.at <= NAMING_BYTES


cdef tuple audio_of(Message *message, Packet *packet):
    """Address, port and codecs of the body's first audio stream; None when there is none."""
    cdef Audio audio
    cdef Text body = part(
        &packet.payload, make_span(packet.payload.size - message.body_size, packet.payload.size)
    )
    cdef bytes naming
    if not read_audio(&body, &audio):
        found = sdp.parse(as_bytes(&body))
        return None if found is None else (found.ip, found.port, found.codecs)
    naming = PyBytes_FromStringAndSize(<const char *>audio.naming, audio.naming_bytes)
    codecs = namings.get(naming)
    if codecs is None:
        if len(namings) == MAX_NAMINGS:
            namings.clear()
        codecs = namings[naming] = sdp.parse(as_bytes(&body)).codecs
    return PyBytes_FromStringAndSize(<const char *>audio.ip, 4), audio.port, codecs
