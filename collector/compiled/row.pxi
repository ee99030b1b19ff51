# SPDX-License-Identifier: GPL-2.0-or-later
# One message as a COPY row: the same bytes as ``row.encode``. The size is added up first, and every
# write is compared with it.

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize

cdef enum:
    # Length and 8 bytes each of ts and id, ports, and what has always the same size.
    INET4_BYTES = 12
    INET6_BYTES = 24

cdef int64_t EPOCH_US = copy_binary.POSTGRES_EPOCH_US
cdef int COLUMNS = len(columns.SIP_MESSAGE)


cdef struct Out:
    uint8_t *data
    Py_ssize_t size
    Py_ssize_t at


cdef inline void put(Out *out, const void *data, Py_ssize_t size) noexcept nogil:
    # Beyond the end it only counts: ``write_row`` sees that.
    if 0 < size <= out.size - out.at:
        memcpy(out.data + out.at, data, size)
    out.at += size


cdef inline void put_part(Out *out, const Text *text, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """The bytes from one place to another."""
    cdef Text found = part(text, make_span(begin, end))
    put(out, found.data, found.size)


cdef inline void put_number(Out *out, uint64_t value, int size) noexcept nogil:
    """The last ``size`` bytes of a number, in network byte order."""
    cdef uint8_t[8] data
    cdef int at
    for at in range(size):
        data[at] = value >> 8 * (size - 1 - at)
    put(out, data, size)


cdef inline void put_value(Out *out, uint64_t value, int size) noexcept nogil:
    """The number and its length before it."""
    put_number(out, size, 4)
    put_number(out, value, size)


cdef inline void put_null(Out *out) noexcept nogil:
    put_number(out, 0xFFFF_FFFF, 4)


cdef inline void put_text(Out *out, const Text *text) noexcept nogil:
    """A text value; NULL when it is empty."""
    if text.size:
        put_number(out, text.size, 4)
        put(out, text.data, text.size)
    else:
        put_null(out)


cdef inline void put_host(Out *out, const Text *text) noexcept nogil:
    """A text value in small letters."""
    cdef Py_ssize_t begin = out.at + 4, at
    put_text(out, text)
    for at in range(begin, out.at if out.at <= out.size else begin):
        if b"A" <= out.data[at] <= b"Z":
            out.data[at] |= 0x20


cdef bint is_known(const Text *address) noexcept nogil:
    """Whether an address is one that a sender knows: see ``copy_binary.inet``."""
    cdef Py_ssize_t zeros = 0, ones = 0
    while zeros < address.size and address.data[zeros] == 0:
        zeros += 1
    while ones < address.size and address.data[ones] == 0xFF:
        ones += 1
    if address.size == 4:
        return zeros < 4 and ones < 4
    return address.size == 16 and zeros < 16 and not 4 <= zeros < 10


cdef inline Py_ssize_t inet_bytes(const Text *address) noexcept nogil:
    if not is_known(address):
        return 4
    return INET4_BYTES if address.size == 4 else INET6_BYTES


cdef inline void put_inet(Out *out, const Text *address) noexcept nogil:
    if not is_known(address):
        put_null(out)
    elif address.size == 4:
        put(out, b"\0\0\0\x08\x02\x20\0\x04", 8)
        put(out, address.data, 4)
    else:
        put(out, b"\0\0\0\x14\x03\x80\0\x10", 8)
        put(out, address.data, 16)


cdef struct Filing:
    # When and as what a message is filed; µs since 1970.
    int64_t ts
    int64_t sender_ts
    int64_t record_id
    bint has_sender_ts


cdef inline Text transport(Packet *packet, const Text *via) noexcept nogil:
    """As ``row.transport``."""
    cdef int protocol = packet.protocol
    if protocol == 17:
        return literal(b"UDP", 3)
    if (
        via.size == 3 and (has(via, 0, 3, b"TLS", 3) or has(via, 0, 3, b"WSS", 3))
        or via.size == 2 and has(via, 0, 2, b"WS", 2)
    ):
        return via[0]
    if protocol == 6:
        return literal(b"TCP", 3)
    if protocol == 22:
        return literal(b"TLS", 3)
    if protocol == 132:
        return literal(b"SCTP", 4)
    return packet.protocol_number


cdef bint complete(Message *message, Packet *packet, Py_ssize_t max_field_bytes) noexcept nogil:
    """Add what the row has from HEP; False when a text must be mended by the plain form."""
    cdef int index
    message.fields[F_TRANSPORT] = transport(packet, &message.via_transport)
    message.fields[F_NODE] = packet.node
    if not same(&packet.correlation_id, &message.fields[F_CALL_ID]):
        message.fields[F_CORRELATION_ID] = packet.correlation_id
    for index in range(FIELDS):
        if message.fields[index].size > max_field_bytes:
            return False
        if not (message.ascii or is_ascii(&message.fields[index])):
            return False
    return True


cdef int write_row(bytearray rows, Message *message, Packet *packet, Filing *filing) except -1:
    """Add the row."""
    cdef Out out
    cdef Py_ssize_t begin = len(rows), needed
    cdef int index
    needed = 2 + 12 + 12 + (12 if filing.has_sender_ts else 4) + 16 + 8
    needed += (6 if message.status else 4) + (6 if packet.vlan else 4)
    needed += inet_bytes(&packet.src_ip) + inet_bytes(&packet.dst_ip)
    for index in range(FIELDS):
        needed += 4 + message.fields[index].size
    needed += 4 + 4 + packet.payload.size + 12
    PyByteArray_Resize(rows, begin + needed)
    out.data = <uint8_t *>PyByteArray_AS_STRING(rows) + begin
    out.size = needed
    out.at = 0
    put_number(&out, COLUMNS, 2)
    put_value(&out, filing.ts - EPOCH_US, 8)
    put_value(&out, filing.record_id, 8)
    if filing.has_sender_ts:
        put_value(&out, filing.sender_ts - EPOCH_US, 8)
    else:
        put_null(&out)
    put_value(&out, packet.src_port, 4)
    put_value(&out, packet.dst_port, 4)
    put_value(&out, message.cseq, 4)
    if message.status:
        put_value(&out, message.status, 2)
    else:
        put_null(&out)
    if packet.vlan:
        put_value(&out, packet.vlan & 0xFFF, 2)
    else:
        put_null(&out)
    put_inet(&out, &packet.src_ip)
    put_inet(&out, &packet.dst_ip)
    for index in range(FIELDS):
        if IS_HOST >> index & 1:
            put_host(&out, &message.fields[index])
        else:
            put_text(&out, &message.fields[index])
    put_null(&out)  # fault
    put_number(&out, packet.payload.size, 4)
    put(&out, packet.payload.data, packet.payload.size)
    put_null(&out)  # aleg_id, headers, chunks
    put_null(&out)
    put_null(&out)
    if out.at != needed:
        PyByteArray_Resize(rows, begin)
        raise AssertionError("a row of another size than was added up")
    return 0
