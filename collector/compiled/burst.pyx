# SPDX-License-Identifier: GPL-2.0-or-later
# cython: language_level=3, binding=False, embedsignature=False
"""Datagrams to the kernel by the dozen: ``collector.output.burst`` has the plain form."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno

include "fingerprint.pxi"

cdef extern from "<sys/socket.h>" nogil:
    cdef struct iovec:
        void *iov_base
        size_t iov_len

    cdef struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen

    cdef struct mmsghdr:
        msghdr msg_hdr

    int sendmmsg(int, mmsghdr *, unsigned int, int)

cdef extern from "<string.h>" nogil:
    void *memset(void *, int, size_t)

cdef enum:
    MOST_AT_ONCE = 64

MOST = MOST_AT_ONCE


def send(int descriptor, list packets, Py_ssize_t begin, Py_ssize_t end):
    """See ``collector.output.burst.send_plain``."""
    cdef mmsghdr[MOST_AT_ONCE] messages
    cdef iovec[MOST_AT_ONCE] parts
    cdef bytes packet
    cdef int count = 0, sent
    if not 0 <= begin < end <= len(packets) or end - begin > MOST_AT_ONCE:
        raise ValueError(f"{begin} to {end} are no datagrams that go at once")
    memset(messages, 0, sizeof(messages))
    for packet in packets[begin:end]:
        if packet is None:
            raise TypeError
        parts[count].iov_base = PyBytes_AS_STRING(packet)
        parts[count].iov_len = PyBytes_GET_SIZE(packet)
        messages[count].msg_hdr.msg_iov = &parts[count]
        messages[count].msg_hdr.msg_iovlen = 1
        count += 1
    # The list holds the packets, and nobody changes it meanwhile: the lock stays.
    sent = sendmmsg(descriptor, messages, count, 0)
    if sent < 0:
        PyErr_SetFromErrno(OSError)
    return sent
