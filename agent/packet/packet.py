# SPDX-License-Identifier: GPL-2.0-or-later
"""One transport payload: what a frame carries once links, tunnels and fragments are undone."""

from __future__ import annotations

from typing import NamedTuple


class Packet(NamedTuple):
    """A UDP datagram, a TCP segment or the user data of an SCTP chunk.

    A message that was cut out of a stream is one, too: then ``payload`` is the whole message and
    ``time`` that of its first byte.
    """

    time: int
    """Capture time, µs since 1970."""
    protocol: int
    """IP protocol number: ``collector.hep.PROTOCOL_UDP``, ``_TCP``, ``_SCTP``."""
    src_ip: bytes
    """4 or 16 bytes, as is ``dst_ip``."""
    dst_ip: bytes
    src_port: int
    dst_port: int
    vlan: int
    """Innermost 802.1Q tag's id; 0 for none."""
    payload: bytes
    sequence: int = 0
    """TCP: sequence number of the first byte of ``payload`` (RFC 9293 §3.1)."""
    flags: int = 0
    """TCP: the eight flags, FIN is 1, SYN 2, RST 4, PSH 8, ACK 16."""
