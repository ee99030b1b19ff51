# SPDX-License-Identifier: GPL-2.0-or-later
# HEP3 packets as nearly all of them are: the common chunks, each of the size that it must have.

cdef enum:
    CHUNKS = 0x14
    # Of the largest number in a packet.
    NUMBER_DIGITS = 10

# The size that each chunk must have; -1 where it is free, -2 where the plain form reads it.
cdef int16_t[CHUNKS] SIZES = [
    *(-2, 1, 1, 4, 4, 16, 16, 2, 2, 4, 4, 1, 4, -2, -1, -1, -2, -1, 2, -1),
]


cdef struct Packet:
    Text src_ip
    Text dst_ip
    Text payload
    Text correlation_id
    Text node_name
    Text auth_key
    Text node
    Text protocol_number
    uint8_t[NUMBER_DIGITS] node_digits
    uint8_t[NUMBER_DIGITS] protocol_digits
    int protocol
    int src_port
    int dst_port
    int vlan
    int64_t seconds
    int64_t microseconds
    uint32_t capture_id


cdef bint read_hep(const Text *data, Packet *packet) noexcept nogil:
    """Read one datagram; False when the plain form must look at it."""
    cdef Span[CHUNKS] chunks
    cdef Py_ssize_t position = 6, body
    cdef uint64_t number, length
    cdef int index
    if not (
        has(data, 0, data.size, b"HEP3", 4) and byte_at(data, 4) << 8 | byte_at(data, 5) == data.size
    ):
        return False
    for index in range(CHUNKS):
        chunks[index] = make_span(0, 0)
    while position < data.size:
        body = position + 6
        if body > data.size:
            return False
        # Vendor 0 and the number, which stands in its second half.
        number = big_endian(data, make_span(position, position + 4))
        length = big_endian(data, make_span(position + 4, body))
        if number >= CHUNKS or length < 6 or <Py_ssize_t>length > data.size - position:
            return False
        position += length
        if SIZES[number] != -1 and SIZES[number] != position - body:
            return False
        chunks[number] = make_span(body, position)
    if big_endian(data, chunks[0x0B]) != 1:
        return False
    packet.protocol = big_endian(data, chunks[0x02])
    packet.src_ip = part(data, chunks[0x03] if size_of(chunks[0x03]) else chunks[0x05])
    packet.dst_ip = part(data, chunks[0x04] if size_of(chunks[0x04]) else chunks[0x06])
    packet.src_port = big_endian(data, chunks[0x07])
    packet.dst_port = big_endian(data, chunks[0x08])
    packet.seconds = big_endian(data, chunks[0x09])
    packet.microseconds = big_endian(data, chunks[0x0A])
    packet.capture_id = big_endian(data, chunks[0x0C])
    packet.vlan = big_endian(data, chunks[0x12])
    packet.payload = part(data, chunks[0x0F])
    packet.correlation_id = part(data, chunks[0x11])
    packet.node_name = part(data, chunks[0x13])
    packet.auth_key = part(data, chunks[0x0E])
    packet.node = packet.node_name
    if not packet.node.size:
        packet.node = decimal(packet.capture_id, packet.node_digits)
    packet.protocol_number = decimal(packet.protocol, packet.protocol_digits)
    return is_ascii(&packet.node) and is_ascii(&packet.correlation_id)


cdef inline Text decimal(uint32_t number, uint8_t *digits) noexcept nogil:
    """The digits of a number; ``digits`` has room for them and must stay."""
    cdef Text text
    cdef int at = NUMBER_DIGITS
    while at > 0 and (number or at == NUMBER_DIGITS):
        at -= 1
        digits[at] = 48 + number % 10
        number //= 10
    text.data = digits + at
    text.size = NUMBER_DIGITS - at
    return text
