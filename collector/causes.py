# SPDX-License-Identifier: GPL-2.0-or-later
"""What can become of a packet: the one list behind counters, metrics, log, API and docs.

The balance of a capture node, true at every moment::

    received = stored + waiting + filtered + duplicate + rejected + dropped

``received`` counts every datagram that reached the node's sockets, kernel drops included, and every
packet of a stream; a connection that is refused, or closed for a cause, counts as one packet.
``waiting`` is in the journal and not yet committed. Everything else is the sum of the causes
whose outcome has that name.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class Outcome(StrEnum):
    """The columns of the balance sheet."""

    STORED = "stored"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    DROPPED = "dropped"


class Cause(IntEnum):
    """Why a packet ended the way it did.

    The numbers are positions in the journal's counter file: they are never reused or changed.
    """

    outcome: Outcome
    help: str

    def __new__(cls, number: int, outcome: Outcome, text: str) -> Self:
        cause = int.__new__(cls, number)
        cause._value_ = number
        cause.outcome = outcome
        cause.help = text
        return cause

    @property
    def label(self) -> str:
        """The name used in metrics, JSON, the database and the documentation."""
        return self.name.lower()

    STORED = 0, Outcome.STORED, "a row in sip_message, rtcp_report or hep_event"

    KEEPALIVE = 1, Outcome.FILTERED, "a ping without a message: HEP type 0 or an empty payload"

    NOT_HEP = 2, Outcome.REJECTED, "starts with none of the known HEP magics"
    HEP_LENGTH = 3, Outcome.REJECTED, "length in the HEP header differs from the bytes received"
    HEP_CHUNK = 4, Outcome.REJECTED, "a HEP chunk is shorter than its header or runs past the end"
    HEP_FIELD = 5, Outcome.REJECTED, "a HEP chunk of fixed size has another size"
    HEP_FAMILY = 6, Outcome.REJECTED, "HEPv1/v2 address family is neither IPv4 nor IPv6"
    HEP_INFLATE = 7, Outcome.REJECTED, "the compressed payload cannot be inflated"
    PASSWORD = 8, Outcome.REJECTED, "the capture password is missing or wrong"
    STORE_REFUSED = 9, Outcome.REJECTED, "PostgreSQL refused the row; kept in quarantine"

    KERNEL = 10, Outcome.DROPPED, "the socket buffer was full (drops column of /proc/net/udp)"
    JOURNAL_FULL = 11, Outcome.DROPPED, "the journal has reached journal.max_bytes"
    DISK_FULL = 12, Outcome.DROPPED, "free space is below journal.min_free_bytes, or none is left"
    JOURNAL_WRITE = 13, Outcome.DROPPED, "writing to the journal failed; the log says why"
    KEMI_FAULT = 14, Outcome.DROPPED, "a fault in the KEMI script; the log says which"
    WORKER_KILLED = 15, Outcome.DROPPED, "the process was killed with this packet in its hands"
    JOURNAL_DAMAGED = 16, Outcome.DROPPED, "the record's checksum in the journal is wrong"
    UNREADABLE = (
        17,
        Outcome.DROPPED,
        "over 49,149 bytes with thousands of NUL bytes: Kamailio cannot hand it to a script",
    )

    FILTER_ADDRESS = 18, Outcome.FILTERED, "filter.discard_addresses"
    FILTER_METHOD = 19, Outcome.FILTERED, "filter.discard_methods"
    FILTER_USER_AGENT = 20, Outcome.FILTERED, "filter.discard_user_agents"
    FILTER_EXPRESSION = 21, Outcome.FILTERED, "filter.discard_expression"
    SAMPLED_OUT = 22, Outcome.FILTERED, "filter.sample_call and its like: not in the share kept"
    DUPLICATE = 23, Outcome.DUPLICATE, "the same message within filter.duplicate_window"
    HOOK_DROPPED = 24, Outcome.FILTERED, "a function in hook.file dropped it"
    SENDER_NETWORK = 25, Outcome.REJECTED, "the peer is in none of senders.networks"
    SENDER_RATE = 26, Outcome.REJECTED, "over UDP, more than senders.max_rate from one peer"
    STREAM_LIMIT = 27, Outcome.REJECTED, "one connection too many, in all or from one peer"
    STREAM_PROTOCOL = 28, Outcome.REJECTED, "not TLS or WebSocket as it must be, or too slow at it"
    STREAM_INCOMPLETE = (
        29,
        Outcome.REJECTED,
        "a connection ended, or stood still, in the middle of a packet",
    )


CAUSES: tuple[Cause, ...] = tuple(Cause)


def causes_markdown() -> str:
    """The page docs/causes.md."""
    rows = [f"| {cause.outcome} | `{cause.label}` | {cause.help} |" for cause in CAUSES]
    return _PAGE.format(rows="\n".join(rows))


_PAGE = """\
# What can become of a packet

Made by `make docs` from `collector/causes.py`. The same names stand in the counters, the metrics
(`kemiscope_messages_total` with the labels `outcome` and `cause`), the API, the log and the
quarantine.

| outcome | cause | meaning |
|---|---|---|
{rows}

The balance of a capture node, at every moment:

    received = stored + waiting + filtered + duplicate + rejected + dropped

`received` is every datagram that reached the node's sockets, those that the kernel dropped
included, and every packet of a TCP, TLS or WebSocket connection; a connection that is refused, or
closed for a cause, counts as one packet. `waiting` is in the journal. Two things are outside of it,
because no counter sees them: datagrams below 32 bytes, which Kamailio's core throws away, and what
was in the socket buffers when the whole Kamailio was killed.
"""
