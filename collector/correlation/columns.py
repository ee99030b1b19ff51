# SPDX-License-Identifier: GPL-2.0-or-later
"""The columns of ``call``, ``registration`` and ``rtp_stream``, and how facts are merged in each.

Every rule gives the same in any order and any grouping of the messages. That is what makes one row
out of messages that come late, twice, or through several capture nodes. ``sql/`` creates the same
columns in the same order, and generates others from them; a test compares the two.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from collector.columns import Column


class Rule(Enum):
    """What becomes of two values of a column."""

    MIN = auto()
    MAX = auto()
    SUM = auto()
    JOIN = auto()
    """Bytes one after the other, up to a limit."""
    FIRST = auto()
    """All columns of the group from the message with the smallest key."""
    LAST = auto()
    """The same with the largest key."""


class Group(NamedTuple):
    """Columns that are merged as one. The first ``keys`` of them are the key of FIRST and LAST.

    The very first column is null exactly when the group says nothing.
    """

    name: str
    rule: Rule
    columns: tuple[Column, ...]
    keys: int = 1


_TIME: Final = "timestamp with time zone"


def _single(rule: Rule, name: str, type_: str, meaning: str) -> Group:
    return Group(name, rule, (Column(name, type_, meaning),))


def _message(at: str, id_: str, meaning: str) -> tuple[Column, Column]:
    """Time and id of the message that a group is about: its key."""
    return (
        Column(at, _TIME, meaning),
        Column(id_, "bigint", f"id of the message of {at}"),
    )


CALL: Final = (
    _single(Rule.MIN, "started_at", _TIME, "time of the leg's first message"),
    _single(Rule.MAX, "last_at", _TIME, "time of its last message"),
    _single(
        Rule.SUM,
        "messages",
        "bigint",
        "its messages but INFO and NOTIFY, retransmissions and copies included",
    ),
    _single(Rule.JOIN, "seen", "bytea", "4 bytes a message: what repeats are counted by"),
    Group(
        "first",
        Rule.FIRST,
        (
            Column(
                "first_rank",
                "smallint",
                "what the addresses and names are from: 0 the first INVITE, 1 a response to an "
                "INVITE, 2 another message (the beginning was not captured)",
            ),
            *_message("first_at", "first_id", "time of that message"),
            Column("src_port", "integer", "caller's port"),
            Column("dst_port", "integer", "port that the call was sent to"),
            Column("src_ip", "inet", "caller's address, as captured"),
            Column("dst_ip", "inet", "address that the call was sent to"),
            Column("from_user", "text", "user of From"),
            Column("from_domain", "text", "host of From"),
            Column("from_tag", "text", "tag of From"),
            Column("to_user", "text", "user of To"),
            Column("to_domain", "text", "host of To"),
            Column("ruri_user", "text", "user of the request-URI"),
            Column("ruri_domain", "text", "host of the request-URI"),
            Column("pai_user", "text", "user of P-Asserted-Identity, P-Preferred-Identity or RPID"),
            Column("pai_domain", "text", "host of the same"),
            Column("transport", "text", "UDP, TCP, TLS, WS, WSS or SCTP"),
            Column("node", "text", "capture agent"),
            Column("user_agent", "text", "caller's User-Agent"),
            Column("headers", "jsonb", "the headers of sip.custom_headers, by name"),
        ),
        keys=3,
    ),
    Group(
        "attempt",
        Rule.FIRST,
        (
            Column("attempt_order", "integer", "CSeq of the last first INVITE, negative"),
            *_message("attempt_at", "attempt_id", "when it was sent, again after a challenge"),
            Column("attempt_branch", "text", "branch of its top Via"),
        ),
        keys=3,
    ),
    _single(Rule.MIN, "trying_at", _TIME, "first 100 Trying"),
    _single(Rule.MIN, "progress_at", _TIME, "first provisional response beyond 100"),
    _single(Rule.MIN, "ringing_at", _TIME, "first 180 Ringing"),
    _single(Rule.MIN, "early_media_at", _TIME, "first provisional response with SDP"),
    Group(
        "answer",
        Rule.FIRST,
        (
            *_message("answered_at", "answer_id", "first 2xx to an INVITE"),
            Column("answer_status", "smallint", "its status"),
            Column("answer_ip", "inet", "address that it came from"),
            Column("to_tag", "text", "tag of its To"),
            Column("answer_agent", "text", "callee's User-Agent or Server"),
        ),
        keys=2,
    ),
    _single(Rule.MIN, "confirmed_at", _TIME, "first ACK"),
    Group(
        "failure",
        Rule.LAST,
        (
            *_message(
                "failed_at",
                "failure_id",
                "last final response from 300 on to an INVITE, but 401, 407 and 487",
            ),
            Column("failure_status", "smallint", "its status"),
            Column("failure_ip", "inet", "address that it came from"),
            Column("failure_reason", "text", "its reason phrase"),
            Column("failure_cause", "text", "its Reason header (RFC 3326)"),
            Column("failure_warning", "text", "its Warning header"),
        ),
        keys=2,
    ),
    _single(Rule.MAX, "terminated_at", _TIME, "last 487 Request Terminated to an INVITE"),
    Group(
        "challenge",
        Rule.LAST,
        (
            *_message("challenged_at", "challenge_id", "last 401 or 407 to an INVITE"),
            Column("challenge_status", "smallint", "its status"),
            Column("challenge_cseq", "integer", "its CSeq number"),
        ),
        keys=2,
    ),
    Group(
        "cancel",
        Rule.FIRST,
        (
            *_message("cancelled_at", "cancel_id", "first CANCEL"),
            Column("cancel_branch", "text", "branch of its top Via: that of the INVITE"),
            Column("cancel_cause", "text", "its Reason header"),
        ),
        keys=2,
    ),
    Group(
        "bye",
        Rule.FIRST,
        (
            *_message("bye_at", "bye_id", "first BYE"),
            Column("bye_ip", "inet", "address that it came from"),
            Column("bye_tag", "text", "tag of its From: who hung up"),
            Column("bye_cause", "text", "its Reason header"),
        ),
        keys=2,
    ),
    _single(Rule.MIN, "bye_confirmed_at", _TIME, "first final response to a BYE"),
    Group(
        "caller_media",
        Rule.FIRST,
        (
            Column("caller_media_rank", "smallint", "0 from the first INVITE, 1 from an ACK"),
            *_message("caller_media_at", "caller_media_id", "time of that message"),
            Column("caller_media_ip", "inet", "where the caller wants its audio"),
            Column("caller_media_port", "integer", "port of the same"),
            Column("caller_codecs", "text", "codecs of its first audio stream, preferred first"),
        ),
        keys=3,
    ),
    Group(
        "callee_media",
        Rule.FIRST,
        (
            Column("callee_media_rank", "smallint", "0 from a 2xx, 1 from a provisional response"),
            *_message("callee_media_at", "callee_media_id", "time of that message"),
            Column("callee_media_ip", "inet", "where the callee wants its audio"),
            Column("callee_media_port", "integer", "port of the same"),
            Column("callee_codecs", "text", "codecs of its first audio stream, preferred first"),
        ),
        keys=3,
    ),
    _single(Rule.MIN, "held_at", _TIME, "first time that somebody put the call on hold"),
    Group(
        "hold",
        Rule.LAST,
        (
            *_message("hold_changed_at", "hold_id", "last re-INVITE or UPDATE with SDP"),
            Column("on_hold", "boolean", "whether it puts the call on hold"),
        ),
        keys=2,
    ),
    Group(
        "refer",
        Rule.FIRST,
        (
            *_message("refer_at", "refer_id", "first REFER: a transfer"),
            Column("refer_to", "text", "its Refer-To"),
        ),
        keys=2,
    ),
    _single(Rule.MAX, "auth_user", "text", "username of (Proxy-)Authorization"),
)
"""What the messages of one leg say."""

CALL_FILING: Final = (
    Column("ts", _TIME, "files the row: time of the message that was stored first"),
    Column("call_id", "text", "Call-ID"),
)
CALL_LATER: Final = (
    Column("timed_out_at", _TIME, "when it was given up: no message for longer than a setting"),
)
CALL_GENERATED: Final = (
    Column("caller", "text", "from_user, or pai_user when From is anonymous"),
    Column("callee", "text", "ruri_user, else to_user"),
    Column(
        "state",
        "text",
        "trying, ringing, answered, completed, cancelled, busy, redirected, failed, timed_out; "
        "unknown when only messages within the call were captured",
    ),
    Column("status", "smallint", "final status of the INVITE"),
    Column("ended_at", _TIME, "when the call or the attempt ended"),
    Column("ended_by", "text", "caller or callee; null when that cannot be told"),
    Column("pdd_ms", "double precision", "post-dial delay: INVITE to ringing or final response"),
    Column("setup_ms", "double precision", "INVITE to answer"),
    Column("duration_ms", "double precision", "answer to BYE"),
)

REGISTRATION: Final = (
    _single(Rule.MIN, "first_at", _TIME, "time of its first message"),
    _single(Rule.MAX, "last_at", _TIME, "time of its last message"),
    _single(Rule.SUM, "requests", "bigint", "REGISTER requests, retransmissions included"),
    _single(Rule.SUM, "challenges", "bigint", "responses 401 and 407"),
    _single(Rule.SUM, "failures", "bigint", "other final responses from 300 on"),
    Group(
        "request",
        Rule.LAST,
        (
            *_message("request_at", "request_id", "last REGISTER"),
            Column("request_cseq", "integer", "its CSeq number"),
            Column("asked_expires", "integer", "seconds that it asks for; 0 unregisters"),
            Column("contact", "text", "its first Contact"),
            Column("contact_user", "text", "user of the same"),
            Column("contact_domain", "text", "host of the same"),
            Column("src_port", "integer", "port that it came from"),
            Column("dst_port", "integer", "port that it went to"),
            Column("src_ip", "inet", "address that it came from"),
            Column("dst_ip", "inet", "address that it went to"),
            Column("transport", "text", "UDP, TCP, TLS, WS, WSS or SCTP"),
            Column("node", "text", "capture agent"),
            Column("user_agent", "text", "its User-Agent"),
        ),
        keys=2,
    ),
    Group(
        "response",
        Rule.LAST,
        (
            *_message("response_at", "response_id", "last final response"),
            Column("response_cseq", "integer", "its CSeq number"),
            Column("status", "smallint", "its status"),
            Column("reason", "text", "its reason phrase"),
        ),
        keys=2,
    ),
    Group(
        "success",
        Rule.LAST,
        (
            *_message("registered_at", "registered_id", "last 2xx"),
            Column("granted_expires", "integer", "seconds that it grants"),
        ),
        keys=2,
    ),
    Group(
        "failure",
        Rule.LAST,
        (
            *_message("failed_at", "failure_id", "last failure, challenges not counted"),
            Column("failure_status", "smallint", "its status"),
            Column("failure_reason", "text", "its reason phrase"),
        ),
        keys=2,
    ),
    _single(Rule.MAX, "auth_user", "text", "username of Authorization"),
)
"""What the messages of one phone's registrations, told apart by Call-ID and AOR, say."""

REGISTRATION_FILING: Final = (
    Column("call_id", "text", "Call-ID, which a phone keeps while it renews"),
    Column("aor", "text", "address of record: user@host of To"),
)
REGISTRATION_GENERATED: Final = (
    Column("state", "text", "registered, unregistered, challenged, failed or trying"),
    Column("expires_at", _TIME, "when the last 2xx loses its effect"),
    Column("latency_ms", "double precision", "last REGISTER to its response"),
    Column("last_period", "integer", "ten minutes of last_at, counted since 1970; has the index"),
)
PERIOD_US: Final = 600_000_000
"""Length of what ``last_period`` counts."""

CALL_LINK: Final = (
    Column("ts", _TIME, "ts of the leg's row in call"),
    Column("call_id", "text", "the leg"),
    Column("linked_id", "text", "another leg's Call-ID, or what legs have in common"),
    Column("reason", "text", "header, hep, session, replaces, refer or numbers"),
    Column("detail", "text", "the header and its value, or the rule"),
    Column("confidence", "text", "certain, likely or guess"),
)


def _measure(name: str, meaning: str) -> tuple[Group, Group, Group]:
    """What a mean and the worst are made of. Whole numbers: their sum is the same in any order."""
    return (
        _single(Rule.SUM, f"{name}_reports", "bigint", f"reports with {name}; 0: nobody said it"),
        _single(Rule.SUM, f"{name}_sum", "bigint", f"sum over them of {meaning}"),
        _single(Rule.MAX, f"{name}_max", "bigint", "the largest"),
    )


STREAM: Final = (
    _single(Rule.MIN, "first_at", _TIME, "time of the first report"),
    _single(Rule.MAX, "last_at", _TIME, "time of the last report"),
    _single(Rule.SUM, "reports", "bigint", "reports of how it was received"),
    _single(Rule.SUM, "faults", "bigint", "reports with a value that cannot be"),
    _single(Rule.MAX, "packets", "bigint", "packets: sent (RTCP), or seen on the way"),
    _single(Rule.MAX, "packets_lost", "bigint", "packets lost, the largest number in a report"),
    *_measure("loss", "the fraction lost, millionths"),
    *_measure("discard", "the fraction dropped by the jitter buffer, millionths"),
    *_measure("jitter_ticks", "the jitter in RTP timestamp units"),
    *_measure("jitter_us", "the jitter from sources that give a time, µs"),
    *_measure("rtt_us", "the round trip time, µs"),
    *_measure("delay_us", "the one-way delay from sources that give it, µs"),
    _single(Rule.SUM, "mos_reports", "bigint", "reports with a MOS"),
    _single(Rule.SUM, "mos_sum", "bigint", "sum over them of the MOS, thousandths"),
    _single(Rule.MIN, "mos_min", "bigint", "the smallest"),
    Group(
        "worst",
        Rule.FIRST,
        (
            Column(
                "worst_r",
                "integer",
                "smallest R-factor that the E-model gives for a report, hundredths, as if the "
                "codec were G.711 with a clock of 8000 Hz",
            ),
            *_message("worst_at", "worst_id", "time of that report"),
            Column("worst_loss", "bigint", "its fraction lost and dropped, millionths"),
            Column("worst_jitter_ticks", "bigint", "its jitter in RTP timestamp units"),
            Column("worst_jitter_us", "bigint", "its jitter, µs"),
            Column("worst_delay_us", "bigint", "its one-way delay, µs"),
        ),
        keys=3,
    ),
)
"""What quality reports say of one RTP stream."""

STREAM_KEY: Final = (
    Column("call_id", "text", "the call; else the HEP correlation id; empty when there is neither"),
    Column("type", "smallint", "HEP protocol type of the reports, as in rtcp_report"),
    Column("ssrc", "bigint", "SSRC; null when the source does not say"),
    Column("src_port", "integer", "port it comes from; in RTCP that of RTCP"),
    Column("dst_port", "integer", "port it goes to; in RTCP that of RTCP"),
    Column("src_ip", "inet", "where it comes from; null when unknown"),
    Column("dst_ip", "inet", "where it is received; null when unknown"),
    Column("direction", "text", "as in rtcp_report; addresses are those of the HEP packet then"),
)
STREAM_FILING: Final = (
    Column("ts", _TIME, "files the row: ts of the call, else the hour of the first report"),
    *STREAM_KEY,
)


def flat(groups: tuple[Group, ...]) -> tuple[Column, ...]:
    """The columns of all groups in order."""
    return tuple(column for group in groups for column in group.columns)


def slots(groups: tuple[Group, ...]) -> dict[str, int]:
    """The place of each group among all, by name."""
    return {group.name: slot for slot, group in enumerate(groups)}
