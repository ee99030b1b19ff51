# SPDX-License-Identifier: GPL-2.0-or-later
# Merges messages into what is pending without making facts of them: the same as ``Pending.add``.

include "sdp.pxi"
include "leg.pxi"
include "registration.pxi"
include "edge.pxi"


cdef int merge(object pending, dict legs, dict registrations, Message *message, Packet *packet, Filing *filing) except -1:
    """Take one more message of a call or a registration into account."""
    cdef int method
    cdef bytes call_id
    if message.kind == 1:
        call_id = as_bytes(&message.fields[F_CALL_ID])
        if not merge_registration(registrations, call_id, message, packet, filing):
            pending.add((make_fact(message, packet, filing),))
        return 0
    method = leg_method(&message.fields[F_METHOD])
    if method == NOT_OF_LEG:
        return 0
    call_id = as_bytes(&message.fields[F_CALL_ID])
    if not merge_leg(legs, call_id, method, message, packet, filing):
        pending.add((make_fact(message, packet, filing),))
    elif has_edges(message) and not merge_edges(pending.edges, call_id, message):
        pending.add_edges((make_fact(message, packet, filing),))
    return 0
