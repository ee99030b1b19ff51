# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes back for datagrams: ICMP errors, with the beginning of the datagram that they blame.

A socket that asks for it (IP_RECVERR of ip(7), IPV6_RECVERR of ipv6(7)) queues them; without, the
kernel tells only that there was one.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Final, NamedTuple

# Linux; the module socket has none of these.
_IP_MTU_DISCOVER: Final = 10
_IP_RECVERR: Final = 11
_IPV6_MTU_DISCOVER: Final = 23
_IPV6_RECVERR: Final = 25
_PMTUDISC_DONT: Final = 0

_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")
"""struct sock_extended_err: errno, origin, ICMP type, ICMP code."""
_ORIGIN_ICMP: Final = 2
_ORIGIN_ICMP6: Final = 3
_NOBODY_ANSWERS: Final = {(_ORIGIN_ICMP, 3, 1), (_ORIGIN_ICMP6, 1, 3)}
"""Host unreachable (RFC 792), address unreachable (RFC 4443): nobody has the address."""
_MOST_REPORTS: Final = 1000
_QUOTE_BYTES: Final = 2048


class Report(NamedTuple):
    """One error."""

    number: int
    """As errno has it."""
    nobody_answers: bool
    """The host could not be found on its network for some seconds."""
    quote: bytes
    """The beginning of the datagram's data, as far as the sender of the error gave it."""


class RefusalError(ConnectionError):
    """Datagrams did not get there; ``reports`` has the errors in their order."""

    def __init__(self, reports: list[Report]) -> None:
        super().__init__(reports[0].number, os.strerror(reports[0].number))
        self.reports = reports


def ask_for_reports(sender: socket.socket) -> None:
    """Have errors queued, and large datagrams cut into fragments rather than refused."""
    if sender.family == socket.AF_INET6:
        sender.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        sender.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
    else:
        sender.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)


def read_reports(sender: socket.socket) -> list[Report]:
    """Take the queued errors, oldest first; empty when there are none."""
    reports: list[Report] = []
    while len(reports) < _MOST_REPORTS:
        try:
            quote, messages, _, _ = sender.recvmsg(_QUOTE_BYTES, 512, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for level, kind, data in messages:
            if (level, kind) in (
                (socket.IPPROTO_IP, _IP_RECVERR),
                (socket.IPPROTO_IPV6, _IPV6_RECVERR),
            ) and len(data) >= _EXTENDED_ERROR.size:
                number, *cause = _EXTENDED_ERROR.unpack_from(data)[:4]
                reports.append(Report(number, tuple(cause) in _NOBODY_ANSWERS, quote))
    return reports


def raise_refusal(reports: list[Report]) -> None:
    """Raise RefusalError if one says more than that fragments must be smaller from now on."""
    refusals = [report for report in reports if report.number != errno.EMSGSIZE]
    if refusals:
        raise RefusalError(refusals)
