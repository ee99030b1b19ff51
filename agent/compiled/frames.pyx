# SPDX-License-Identifier: GPL-2.0-or-later
# cython: language_level=3, binding=False, embedsignature=False
"""Frames that hold a SIP message in one UDP datagram, as HEP3: the agent's hop in compiled form.

It reads what nearly all frames are: at most two tags, IPv4 without options or IPv6 without extension
headers, one fragment, no tunnel, CSeq spelled as usual. Whatever else comes goes through the plain
parts (``agent.worker``), which are the reference: so it knows few cases, and each of them strictly.
"""

from agent.message.messages import MIN_UDP
from agent.packet import link, tunnel
from agent.stream import sip
from collector import hep

include "fingerprint.pxi"
include "text.pxi"

cdef enum:
    IP4_HEADER = 20
    IP6_HEADER = 40
    UDP_HEADER = 8
    UDP = 17
    MOST_TAGS = 2
    MOST_PORTS = 8
    US_PER_S = 1_000_000
    # Of a packet with two IPv6 addresses and no chunk of free length.
    MOST_FIXED = 160

# The seconds of HEP have 32 bits.
cdef int64_t END_OF_TIME = <int64_t>US_PER_S << 32
cdef enum:
    NO_SIP
    SIP
    AUDIO

cdef int IPV4 = link.IPV4
cdef int IPV6 = link.IPV6
cdef int MIN_PAYLOAD = MIN_UDP
cdef int MIN_PREFIXED = sip.MIN_PREFIXED
cdef int TYPE_SIP = hep.TYPE_SIP
cdef int FAMILY_IPV4 = hep.FAMILY_IPV4
cdef int FAMILY_IPV6 = hep.FAMILY_IPV6
cdef int MAX_PACKET = hep.MAX_PACKET


cdef struct Ports:
    int count
    int[MOST_PORTS] numbers


cdef struct Datagram:
    Text src_ip
    Text dst_ip
    Text payload
    int src_port
    int dst_port
    int vlan


cdef class Frames:
    """What the flags of the agent make of ordinary frames."""

    cdef Py_ssize_t type_at, ip_at, largest
    cdef object learn
    cdef uint32_t capture_id
    cdef bytes node_name, auth_key
    cdef Ports sources, targets

    def __init__(
        self, *, places, largest, learn, capture_id, node_name, auth_key, sources, targets
    ):
        """See ``agent.ordinary``."""
        self.type_at, self.ip_at = places
        self.largest = min(largest, MAX_PACKET)
        self.learn = learn
        self.capture_id = capture_id
        self.node_name = node_name
        self.auth_key = auth_key
        fill_ports(&self.sources, {tunnel.HPERM_PORT, *sources})
        fill_ports(&self.targets, {*tunnel.DESTINATION_PORTS, *targets})

    def encode(self, list frames, Py_ssize_t begin, int64_t earliest, int64_t latest, list packets):
        """Append the HEP packets of frames from ``begin`` on to ``packets``.

        Returns the place of the first that is not ordinary, or not captured from ``earliest`` on and
        before ``latest``; or how many frames there are.
        """
        cdef Text frame
        cdef Datagram found
        cdef int64_t at
        cdef tuple item
        cdef int kind
        cdef object data
        cdef bint has_media = self.learn is not None
        while 0 <= begin < len(frames):
            item = frames[begin]
            at, data, _ = item
            if type(data) is not bytes or not earliest <= at < latest or not 0 <= at < END_OF_TIME:
                break
            frame.data = <Bytes>PyBytes_AS_STRING(data)
            frame.size = PyBytes_GET_SIZE(data)
            if not self.read(&frame, &found):
                break
            kind = classify(&found.payload, has_media)
            if kind == NO_SIP:
                break
            data = self.pack(&found, at)
            if data is None or kind == AUDIO and not self.teach(&found, at):
                break
            packets.append(data)
            begin += 1
        return begin

    cdef bint teach(self, const Datagram *found, int64_t at):
        """What SDP says of RTCP; False when it fails, as it will again in the plain form."""
        try:
            self.learn(at, as_bytes(&found.src_ip), as_bytes(&found.payload))
        except Exception:
            return False
        return True

    cdef bint read(self, const Text *frame, Datagram *found) noexcept nogil:
        """The datagram in a frame; False when the plain form must look at it."""
        cdef Py_ssize_t type_at = self.type_at, at = self.ip_at, end, address
        cdef int tags = 0, kind, size
        found.vlan = 0
        kind = number(frame, type_at, 2)
        while kind == 0x8100 and tags < MOST_TAGS:
            found.vlan = number(frame, at, 2) & 0xFFF
            kind = number(frame, at + 2, 2)
            at += 4
            tags += 1
        if kind == IPV4:
            # Four bits of version, four of length; no fragment, whatever DF says.
            if byte_at(frame, at) != 0x45 or byte_at(frame, at + 9) != UDP:
                return False
            if number(frame, at + 6, 2) & 0x3FFF:
                return False
            size = number(frame, at + 2, 2) - IP4_HEADER
            address = 4
            found.src_ip = part(frame, make_span(at + 12, at + 16))
            found.dst_ip = part(frame, make_span(at + 16, at + 20))
            at += IP4_HEADER
        elif kind == IPV6:
            if byte_at(frame, at) >> 4 != 6 or byte_at(frame, at + 6) != UDP:
                return False
            size = number(frame, at + 4, 2)
            address = 16
            found.src_ip = part(frame, make_span(at + 8, at + 24))
            found.dst_ip = part(frame, make_span(at + 24, at + 40))
            at += IP6_HEADER
        else:
            return False
        end = at + size
        # Behind the end there is nothing: addresses without bytes, and -1 for a number.
        if size - UDP_HEADER < MIN_PAYLOAD or end > frame.size or found.dst_ip.size != address:
            return False
        if number(frame, at + 4, 2) != size:
            return False
        found.src_port = number(frame, at, 2)
        found.dst_port = number(frame, at + 2, 2)
        found.payload = part(frame, make_span(at + UDP_HEADER, end))
        return not has_port(&self.sources, found.src_port) and not has_port(&self.targets, found.dst_port)

    cdef bytes pack(self, const Datagram *found, int64_t at):
        """The HEP3 packet, its chunks in the order of ``collector.hep.encode``; None if too long."""
        cdef uint8_t[MOST_FIXED] head
        cdef uint8_t *to = head
        cdef bytes packet
        cdef Py_ssize_t size
        cdef bint is_ipv4 = found.src_ip.size == 4
        to = put_number(to + 6, 0x01, FAMILY_IPV4 if is_ipv4 else FAMILY_IPV6, 1)
        to = put_number(to, 0x02, UDP, 1)
        to = put_text(to, 0x03 if is_ipv4 else 0x05, &found.src_ip)
        to = put_text(to, 0x04 if is_ipv4 else 0x06, &found.dst_ip)
        to = put_number(to, 0x07, found.src_port, 2)
        to = put_number(to, 0x08, found.dst_port, 2)
        to = put_number(to, 0x09, at // US_PER_S, 4)
        to = put_number(to, 0x0A, at % US_PER_S, 4)
        to = put_number(to, 0x0B, TYPE_SIP, 1)
        to = put_number(to, 0x0C, self.capture_id, 4)
        size = to - head + found.payload.size + 6
        size += chunk_size(self.auth_key) + chunk_size(self.node_name) + (8 if found.vlan else 0)
        if size > self.largest:
            return None
        memcpy(head, b"HEP3", 4)
        put_big_endian(head + 4, size, 2)
        packet = PyBytes_FromStringAndSize(NULL, size)
        size = to - head
        to = <uint8_t *>PyBytes_AS_STRING(packet)
        memcpy(to, head, size)
        to += size
        if self.auth_key:
            to = put_bytes(to, 0x0E, self.auth_key)
        if found.vlan:
            to = put_number(to, 0x12, found.vlan, 2)
        if self.node_name:
            to = put_bytes(to, 0x13, self.node_name)
        put_text(to, 0x0F, &found.payload)
        return packet


cdef int classify(const Text *payload, bint has_media) noexcept nogil:
    """Whether CSeq is there as usual, and nothing stands before the message.

    With media, also whether SDP in it describes audio; what may be RTP or RTCP is no SIP then.
    """
    cdef Py_ssize_t line = 0, cseq = -1, prefix = 0
    cdef int kind = NO_SIP
    cdef bint has_audio = False
    if has_media and byte_at(payload, 0) & 0xC0 == 0x80:
        return NO_SIP
    while kind == NO_SIP or kind == SIP and has_media:
        line = find(payload, b"\n", line, payload.size)
        if line < 0:
            break
        if cseq < 0 and has(payload, line, payload.size, b"\nCSeq:", 6):
            cseq = line
            kind = AUDIO if has_audio else SIP
        elif has_media and has(payload, line, payload.size, b"\nm=audio ", 9):
            has_audio = True
            kind = AUDIO if cseq >= 0 else NO_SIP
        line += 1
    while kind != NO_SIP and cseq > MIN_PREFIXED:
        prefix = find(payload, b"S", prefix, cseq)
        if prefix < 0:
            break
        if has(payload, prefix, cseq, b"Sip0", 4):
            return NO_SIP
        prefix += 1
    return kind


cdef fill_ports(Ports *ports, numbers):
    if len(numbers) > MOST_PORTS:
        raise ValueError("too many ports")
    ports.count = 0
    for port in numbers:
        ports.numbers[ports.count] = port
        ports.count += 1


cdef inline bint has_port(const Ports *ports, int port) noexcept nogil:
    cdef int place
    for place in range(ports.count):
        if ports.numbers[place] == port:
            return True
    return False


cdef inline int number(const Text *text, Py_ssize_t at, int size) noexcept nogil:
    """Up to three bytes in network order; -1 when they are not all there."""
    if at < 0 or text.size - at < size:
        return -1
    return big_endian(text, make_span(at, at + size))


cdef inline Py_ssize_t chunk_size(bytes data):
    return PyBytes_GET_SIZE(data) + 6 if PyBytes_GET_SIZE(data) else 0


cdef inline void put_big_endian(uint8_t *to, uint64_t value, int size) noexcept nogil:
    while size > 0:
        size -= 1
        to[size] = value & 0xFF
        value >>= 8


cdef inline uint8_t *put_number(uint8_t *to, int chunk, uint64_t value, int size) noexcept nogil:
    """A chunk; returns where the next one begins, as do the next two."""
    put_big_endian(to, chunk, 4)
    put_big_endian(to + 4, size + 6, 2)
    put_big_endian(to + 6, value, size)
    return to + 6 + size


cdef inline uint8_t *put_text(uint8_t *to, int chunk, const Text *text) noexcept nogil:
    put_big_endian(to, chunk, 4)
    put_big_endian(to + 4, text.size + 6, 2)
    memcpy(to + 6, text.data, text.size)
    return to + 6 + text.size


cdef inline uint8_t *put_bytes(uint8_t *to, int chunk, bytes data):
    cdef Text text
    text.data = <Bytes>PyBytes_AS_STRING(data)
    text.size = PyBytes_GET_SIZE(data)
    return put_text(to, chunk, &text)
