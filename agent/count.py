# SPDX-License-Identifier: GPL-2.0-or-later
"""What can become of a frame and of a message: the one list behind exit line, metrics and docs.

Two balances, true whenever a worker stands still::

    frames:    captured = used + filtered + ignored + malformed + lost
    messages:  found = journaled + filtered + lost

A used frame is one of which at least a part may be sent: it holds a message or a part of one. What
becomes of journaled messages on their way to each server is ``collector.output.fate``. Packets that
the kernel dropped were never frames and stand beside the balance; so do datagrams of which nobody
knows whether they held a message.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class Unit(StrEnum):
    """What is counted."""

    FRAME = "frame"
    MESSAGE = "message"
    DATAGRAM = "datagram"
    """Of IP: what fragments make up. Its fragments were counted as frames."""
    PACKET = "packet"
    """Of the kernel: a frame that never reached the agent."""
    STREAM = "stream"
    """Of TCP: what befell one direction of a connection. Beside the balances."""
    COPY = "copy"
    """Of a frame, for the pcap files of -wf. Beside the balances."""
    ADDRESS = "address"
    """Where the RTCP of a call goes, learnt from SDP. Beside the balances."""
    SCRIPT = "script"
    """A run of -script-file on a message. Beside the balances."""
    CONNECTION = "connection"
    """Of -hin over TCP. Beside the balances."""


class Outcome(StrEnum):
    """The columns of the two balances."""

    TOTAL = "total"
    USED = "used"
    FILTERED = "filtered"
    IGNORED = "ignored"
    MALFORMED = "malformed"
    LOST = "lost"


class Count(IntEnum):
    """A counter; its value is its place in a worker's row of shared memory."""

    unit: Unit
    outcome: Outcome
    help: str

    def __new__(cls, unit: Unit, outcome: Outcome, text: str) -> Self:
        number = len(cls.__members__)
        count = int.__new__(cls, number)
        count._value_ = number
        count.unit = unit
        count.outcome = outcome
        count.help = text
        return count

    @property
    def label(self) -> str:
        """The name used in metrics, the exit line and the documentation."""
        return self.name.lower()

    CAPTURED = Unit.FRAME, Outcome.TOTAL, "frames taken from the interface, the file or -hin"
    USED = Unit.FRAME, Outcome.USED, "frames that hold a message or a part of one"
    FOUND = Unit.MESSAGE, Outcome.TOTAL, "messages found in them"
    JOURNALED = Unit.MESSAGE, Outcome.USED, "messages handed over for sending"

    KERNEL = Unit.PACKET, Outcome.LOST, "the capture ring was full (-b), or the worker too slow"
    INTERFACE = Unit.PACKET, Outcome.LOST, "dropped by the network interface or its driver"

    CONTENT = Unit.FRAME, Outcome.FILTERED, "lacks a text of -fi, or holds one of -di"
    ADDRESS = Unit.FRAME, Outcome.FILTERED, "an address of -diip, -disip or -didip"
    DUPLICATE = Unit.FRAME, Outcome.FILTERED, "-dd: its packets were there within 400 ms before"
    TYPE = Unit.FRAME, Outcome.FILTERED, "-collectonlysip: HEP of another type"
    FAULT = Unit.FRAME, Outcome.LOST, "a fault of the agent; the log says which"
    DAMAGED_HEP = Unit.FRAME, Outcome.MALFORMED, "-hin: not HEP, or damaged HEP"
    CUT_HEP = Unit.FRAME, Outcome.MALFORMED, "-hin: the connection ended inside of a packet"
    METHOD = Unit.MESSAGE, Outcome.FILTERED, "a method of -dim"
    TOO_LARGE = Unit.MESSAGE, Outcome.LOST, "fits no HEP packet for the servers, even compressed"
    NO_ROOM = Unit.MESSAGE, Outcome.LOST, "the journal, or the disk under it, was full"
    CONNECTED = Unit.CONNECTION, Outcome.TOTAL, "connections made to -hin"
    REFUSED = Unit.CONNECTION, Outcome.LOST, "connections refused, or closed for a fault"

    NOT_IP = Unit.FRAME, Outcome.IGNORED, "neither IPv4 nor IPv6: ARP and the like"
    OTHER_PROTOCOL = Unit.FRAME, Outcome.IGNORED, "not UDP, TCP or SCTP, and no tunnel that is read"
    EMPTY = Unit.FRAME, Outcome.IGNORED, "no user data: acknowledgements, SCTP control chunks"
    REPEATED = Unit.FRAME, Outcome.IGNORED, "a fragment that was there before"

    TRUNCATED = Unit.FRAME, Outcome.MALFORMED, "cut off while capturing: the snap length (-s)"
    SHORT = Unit.FRAME, Outcome.MALFORMED, "ends inside a header"
    BAD_HEADER = Unit.FRAME, Outcome.MALFORMED, "a header's version or length cannot be true"
    BAD_FRAGMENT = (
        *(Unit.FRAME, Outcome.MALFORMED),
        "a fragment out of bounds, or of a datagram whose fragments contradict each other",
    )
    NESTED = Unit.FRAME, Outcome.MALFORMED, "too many tunnels, tags or extension headers"

    INCOMPLETE = (
        *(Unit.MESSAGE, Outcome.LOST),
        "a UDP datagram or SCTP user message of which a fragment did not come within 30 s",
    )
    CROWDED_OUT = (
        *(Unit.MESSAGE, Outcome.LOST),
        "the same, given up earlier: too many incomplete ones at once, and it was the oldest",
    )
    SCTP_CUT = Unit.MESSAGE, Outcome.LOST, "an SCTP DATA chunk that ends behind its packet"
    SCTP_TOO_LARGE = Unit.MESSAGE, Outcome.LOST, "an SCTP user message that no HEP packet can hold"
    UNIDENTIFIED = (
        *(Unit.DATAGRAM, Outcome.IGNORED),
        "never complete: without its first fragment (other traffic than -pr), or not UDP",
    )

    TCP_CONTROL = Unit.FRAME, Outcome.IGNORED, "TCP segments that open or end a stream, no payload"
    TCP_REPEATED = Unit.FRAME, Outcome.IGNORED, "TCP segments of bytes that were captured before"
    TCP_KEEPALIVE = Unit.FRAME, Outcome.IGNORED, "TCP segments of empty lines, a SIP keep-alive"
    TCP_UNKNOWN = Unit.FRAME, Outcome.IGNORED, "TCP segments with no part of a SIP message"
    TLS = Unit.FRAME, Outcome.IGNORED, "TCP segments of TLS, which nobody can read"

    TCP_CUT = Unit.MESSAGE, Outcome.LOST, "a TCP segment with a part of it was never captured"
    TCP_UNFINISHED = Unit.MESSAGE, Outcome.LOST, "the TCP stream ended, or fell silent, within it"
    TCP_TOO_LARGE = Unit.MESSAGE, Outcome.LOST, "in a TCP stream, and longer than fits into HEP"
    TCP_CROWDED_OUT = Unit.MESSAGE, Outcome.LOST, "unfinished when its TCP stream was forgotten"
    WEBSOCKET_COMPRESSED = Unit.MESSAGE, Outcome.LOST, "by permessage-deflate (RFC 7692)"

    STREAM_GAP = Unit.STREAM, Outcome.LOST, "gaps skipped: bytes that were never captured"
    STREAM_GARBAGE = Unit.STREAM, Outcome.IGNORED, "stretches of bytes skipped that are no SIP"
    STREAM_FORGOTTEN = Unit.STREAM, Outcome.LOST, "streams forgotten because there were too many"
    RECORDED = Unit.COPY, Outcome.USED, "frames written to the pcap files of -wf"
    UNRECORDED = Unit.COPY, Outcome.LOST, "not written: the folder of -wf is full or unusable"
    TOO_SHORT = Unit.FRAME, Outcome.IGNORED, "UDP payload below 16 bytes, such as a keep-alive"
    UNKNOWN = Unit.FRAME, Outcome.IGNORED, "nothing that -m asks for, above all no SIP"
    RTP = Unit.FRAME, Outcome.IGNORED, "RTP, which is never sent"
    RTCP_EMPTY = Unit.FRAME, Outcome.IGNORED, "RTCP without a report, cut off or encrypted"
    LOG_EMPTY = Unit.FRAME, Outcome.IGNORED, "log line without a Call-ID (-m SIPLOG)"
    DNS_MALFORMED = Unit.FRAME, Outcome.MALFORMED, "port 53, but no DNS message (-m SIPDNS)"
    RTCP_NO_CALL = Unit.MESSAGE, Outcome.FILTERED, "RTCP between addresses that no SDP has named"
    SCRIPT_DISCARDED = Unit.MESSAGE, Outcome.FILTERED, "the script left no payload (-script-file)"
    SCRIPT_FAILED = (
        Unit.SCRIPT,
        Outcome.LOST,
        "error, too long, too much memory: message sent as is",
    )
    ADDRESS_EVICTED = Unit.ADDRESS, Outcome.LOST, "the oldest made room: too many calls at once"
    ADDRESS_UNSHARED = Unit.ADDRESS, Outcome.LOST, "another worker was too busy to be told (-fw)"
