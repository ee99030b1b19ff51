# SPDX-License-Identifier: GPL-2.0-or-later
# What a message of a call says about its leg: the same as ``leg.add``. What is rare goes there.

from collector.correlation import leg as legs
from collector.correlation.encode import MAX_TEXT_BYTES as LONGEST_TEXT
from collector.correlation.columns import CALL

cdef enum:
    # By CSeq, those of ``leg.METHODS``.
    NOT_OF_LEG, INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, REFER
    IDENTITY_BYTES = 4096

cdef int MAX_TEXT_BYTES = LONGEST_TEXT
cdef int LEG_SLOTS = len(CALL)
cdef int STARTED = legs.STARTED, LAST = legs.LAST, MESSAGES = legs.MESSAGES, SEEN = legs.SEEN
cdef int FIRST = legs.FIRST, ATTEMPT = legs.ATTEMPT, TRYING = legs.TRYING, PROGRESS = legs.PROGRESS
cdef int RINGING = legs.RINGING, EARLY_MEDIA = legs.EARLY_MEDIA, ANSWER = legs.ANSWER
cdef int CONFIRMED = legs.CONFIRMED, FAILURE = legs.FAILURE, TERMINATED = legs.TERMINATED
cdef int CHALLENGE = legs.CHALLENGE, LEG_CANCEL = legs.CANCEL, LEG_BYE = legs.BYE
cdef int BYE_CONFIRMED = legs.BYE_CONFIRMED, AUTH_USER = legs.AUTH_USER
cdef int CALLER_MEDIA = legs.CALLER_MEDIA, CALLEE_MEDIA = legs.CALLEE_MEDIA


cdef int leg_method(const Text *method) noexcept nogil:
    """Which of the methods that a leg is made of."""
    cdef Py_ssize_t size = method.size
    if size == 3:
        if has(method, 0, 3, b"ACK", 3): return ACK
        if has(method, 0, 3, b"BYE", 3): return BYE
    elif size == 5:
        if has(method, 0, 5, b"PRACK", 5): return PRACK
        if has(method, 0, 5, b"REFER", 5): return REFER
    elif size == 6:
        if has(method, 0, 6, b"INVITE", 6): return INVITE
        if has(method, 0, 6, b"CANCEL", 6): return CANCEL
        if has(method, 0, 6, b"UPDATE", 6): return UPDATE
    return NOT_OF_LEG


cdef int64_t identity(Message *message, Packet *packet) noexcept nogil:
    """What repeats of a message share, and what tells capture agents apart; -1 when it is too long."""
    cdef uint8_t[IDENTITY_BYTES] data
    cdef uint32_t start = <uint32_t>message.status << 20 | message.cseq & 0xFFFFF
    cdef Out out
    cdef uint32_t node
    cdef Text *fields = message.fields
    out.data = data
    out.size = IDENTITY_BYTES
    out.at = 0
    put_part(&out, &fields[F_METHOD], 0, fields[F_METHOD].size)
    put(&out, b"\0", 1)
    put_part(&out, &fields[F_VIA_BRANCH], 0, fields[F_VIA_BRANCH].size)
    put(&out, b"\0", 1)
    put_part(&out, &fields[F_TO_TAG], 0, fields[F_TO_TAG].size)
    put(&out, b"\0", 1)
    put_part(&out, &packet.src_ip, 0, packet.src_ip.size)
    put(&out, b"\0", 1)
    put_part(&out, &packet.dst_ip, 0, packet.dst_ip.size)
    if out.at > out.size:
        return -1
    node = crc32(0, packet.node.data, packet.node.size)
    return <uint32_t>crc32(start, data, out.at) >> 8 << 8 | <uint32_t>node & 0xFF


cdef inline bint is_rare(Message *message, int method) noexcept nogil:
    """Whether the plain form says what the message means."""
    if message.fields[F_AUTH_USER].size > MAX_TEXT_BYTES:
        return True
    if message.status:
        return False
    if method == REFER:
        return True
    return message.body_size > 0 and (
        method == UPDATE or method == INVITE and message.fields[F_TO_TAG].size > 0
    )


cdef inline int compare(object have, int begin, int64_t ts, int64_t record_id) except -2:
    """-1 when a message comes before what is known, which has time and id from ``begin`` on."""
    cdef tuple known = have
    cdef int64_t value = known[begin]
    if ts == value:
        ts, value = record_id, known[begin + 1]
    return (ts > value) - (ts < value)


cdef inline bint is_first(object have, int rank, Filing *filing) except -1:
    """As ``_is_first`` there."""
    cdef int known
    if have is None:
        return True
    known = (<tuple>have)[0]
    return rank < known or rank == known and compare(have, 1, filing.ts, filing.record_id) < 0


cdef inline bint is_earlier(object have, Filing *filing) except -1:
    return have is None or compare(have, 0, filing.ts, filing.record_id) < 0


cdef inline bint is_later(object have, Filing *filing) except -1:
    return have is None or compare(have, 0, filing.ts, filing.record_id) > 0


cdef inline int earliest(list leg, int slot, object ts, int64_t us) except -1:
    have = leg[slot]
    if have is None or us < <int64_t>have:
        leg[slot] = ts
    return 0


cdef tuple origin(int rank, object ts, object record_id, Message *message, Packet *packet):
    """Who calls whom; a response goes the other way than its request."""
    cdef Text *fields = message.fields
    cdef bint back = message.status != 0
    return (
        rank, ts, record_id,
        packet.dst_port if back else packet.src_port,
        packet.src_port if back else packet.dst_port,
        as_shared(&packet.dst_ip if back else &packet.src_ip),
        as_shared(&packet.src_ip if back else &packet.dst_ip),
        as_bytes(&fields[F_FROM_USER]), host_bytes(&fields[F_FROM_DOMAIN]), as_bytes(&fields[F_FROM_TAG]),
        as_bytes(&fields[F_TO_USER]), host_bytes(&fields[F_TO_DOMAIN]),
        as_bytes(&fields[F_RURI_USER]), host_bytes(&fields[F_RURI_DOMAIN]),
        as_bytes(&fields[F_PAI_USER]), host_bytes(&fields[F_PAI_DOMAIN]),
        as_shared(&fields[F_TRANSPORT]), as_shared(&packet.node),
        b"" if back else as_shared(&fields[F_USER_AGENT]),
        b"",
    )


cdef int add_media(list leg, int slot, int rank, tuple audio, object ts, object record_id) except -1:
    leg[slot] = (rank, ts, record_id, audio[0], audio[1], audio[2])
    return 0


cdef int add_caller_media(
    list leg, int rank, object ts, object record_id, Message *message, Packet *packet, Filing *filing
) except -1:
    cdef tuple audio
    if message.body_size > 0 and is_first(leg[CALLER_MEDIA], rank, filing):
        audio = audio_of(message, packet)
        if audio is not None:
            add_media(leg, CALLER_MEDIA, rank, audio, ts, record_id)
    return 0


cdef int add_request(
    list leg, int method, object ts, object record_id, Message *message, Packet *packet, Filing *filing
) except -1:
    cdef Text *fields = message.fields
    if method == INVITE:
        if fields[F_TO_TAG].size:
            return 0
        if is_first(leg[ATTEMPT], -message.cseq, filing):
            leg[ATTEMPT] = (-message.cseq, ts, record_id, as_bytes(&fields[F_VIA_BRANCH]))
        add_caller_media(leg, 0, ts, record_id, message, packet, filing)
    elif method == ACK:
        earliest(leg, CONFIRMED, ts, filing.ts)
        add_caller_media(leg, 1, ts, record_id, message, packet, filing)
    elif method == CANCEL:
        if is_earlier(leg[LEG_CANCEL], filing):
            leg[LEG_CANCEL] = (
                ts, record_id, as_bytes(&fields[F_VIA_BRANCH]), as_bytes(&message.headers[REASON_HEADER])
            )
    elif method == BYE:
        if is_earlier(leg[LEG_BYE], filing):
            leg[LEG_BYE] = (
                ts, record_id, as_shared(&packet.src_ip),
                as_bytes(&fields[F_FROM_TAG]), as_bytes(&message.headers[REASON_HEADER]),
            )
    return 0


cdef int add_response(
    list leg, object ts, object record_id, Message *message, Packet *packet, Filing *filing
) except -1:
    """A response to an INVITE."""
    cdef int status = message.status
    cdef tuple audio
    if status == 100:
        earliest(leg, TRYING, ts, filing.ts)
    elif status < 200:
        earliest(leg, PROGRESS, ts, filing.ts)
        if status == 180:
            earliest(leg, RINGING, ts, filing.ts)
        audio = audio_of(message, packet) if message.body_size > 0 else None
        if audio is not None:
            earliest(leg, EARLY_MEDIA, ts, filing.ts)
            if is_first(leg[CALLEE_MEDIA], 1, filing):
                add_media(leg, CALLEE_MEDIA, 1, audio, ts, record_id)
    elif status < 300:
        if is_earlier(leg[ANSWER], filing):
            leg[ANSWER] = (
                ts, record_id, status, as_shared(&packet.src_ip),
                as_bytes(&message.fields[F_TO_TAG]), as_shared(&message.fields[F_USER_AGENT]),
            )
        if message.body_size > 0 and is_first(leg[CALLEE_MEDIA], 0, filing):
            audio = audio_of(message, packet)
            if audio is not None:
                add_media(leg, CALLEE_MEDIA, 0, audio, ts, record_id)
    elif status == 401 or status == 407:
        if is_later(leg[CHALLENGE], filing):
            leg[CHALLENGE] = (ts, record_id, status, message.cseq)
    elif status == 487:
        if leg[TERMINATED] is None or filing.ts > <int64_t>leg[TERMINATED]:
            leg[TERMINATED] = ts
    elif is_later(leg[FAILURE], filing):
        leg[FAILURE] = (
            ts, record_id, status, as_shared(&packet.src_ip), as_shared(&message.fields[F_REASON]),
            as_bytes(&message.headers[REASON_HEADER]), as_bytes(&message.headers[WARNING]),
        )
    return 0


cdef bint merge_leg(dict known, bytes call_id, int method, Message *message, Packet *packet, Filing *filing) except -1:
    """Take one more message into account; False when the plain form must do it."""
    cdef int64_t identified = -1 if is_rare(message, method) else identity(message, packet)
    cdef object ts, record_id
    cdef list leg
    cdef bytes name
    cdef int rank = 2
    if identified < 0:
        return False
    ts, record_id = filing.ts, filing.record_id
    leg = known.get(call_id)
    if leg is None:
        leg = known[call_id] = [None] * LEG_SLOTS
        leg[STARTED] = leg[LAST] = ts
        leg[MESSAGES] = 0
        leg[SEEN] = []
    elif filing.ts < <int64_t>leg[STARTED]:
        leg[STARTED] = ts
    elif filing.ts > <int64_t>leg[LAST]:
        leg[LAST] = ts
    leg[MESSAGES] += 1
    (<list>leg[SEEN]).append(identified)
    if message.fields[F_AUTH_USER].size:
        name = as_bytes(&message.fields[F_AUTH_USER])
        if leg[AUTH_USER] is None or name > leg[AUTH_USER]:
            leg[AUTH_USER] = name
    if not message.status:
        if method == INVITE and not message.fields[F_TO_TAG].size:
            rank = 0
        add_request(leg, method, ts, record_id, message, packet, filing)
    elif method == INVITE:
        rank = 1
        add_response(leg, ts, record_id, message, packet, filing)
    elif method == BYE and message.status >= 200:
        earliest(leg, BYE_CONFIRMED, ts, filing.ts)
    if is_first(leg[FIRST], rank, filing):
        leg[FIRST] = origin(rank, ts, record_id, message, packet)
    return True
