# SPDX-License-Identifier: GPL-2.0-or-later
"""The columns of the ``sip_message_*`` tables: the one list behind COPY, API and documentation.

``sql/`` creates the same columns in the same order; a test compares the two.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from collector.sip import Kind


class Column(NamedTuple):
    """One column; ``type`` is PostgreSQL's name."""

    name: str
    type: str
    meaning: str


SIP_MESSAGE: Final = (
    Column("ts", "timestamp with time zone", "capture time by the sender's clock, µs"),
    Column("id", "bigint", "time of arrival in ns since 1970; unique per capture node"),
    Column(
        "sender_ts",
        "timestamp with time zone",
        "the sender's clock when it was too far off to file by; ts is the time of arrival then",
    ),
    Column("src_port", "integer", "source port"),
    Column("dst_port", "integer", "destination port"),
    Column("cseq", "integer", "CSeq number; null when it cannot be read"),
    Column("status", "smallint", "status code; null for a request"),
    Column("vlan", "smallint", "VLAN id"),
    Column("src_ip", "inet", "source address; null when the sender did not know it"),
    Column("dst_ip", "inet", "destination address; null when the sender did not know it"),
    Column("call_id", "text", "Call-ID; empty when the message has none"),
    Column("method", "text", "request method; in a response that of CSeq"),
    Column("reason", "text", "reason phrase of a response"),
    Column("transport", "text", "UDP, TCP, TLS, WS, WSS or SCTP"),
    Column("node", "text", "name of the capture agent, else its number"),
    Column("correlation_id", "text", "HEP correlation id when it differs from the Call-ID"),
    Column("ruri_user", "text", "user of the request-URI"),
    Column("ruri_domain", "text", "host of the request-URI"),
    Column("from_user", "text", "user of From"),
    Column("from_domain", "text", "host of From"),
    Column("from_tag", "text", "tag of From"),
    Column("to_user", "text", "user of To"),
    Column("to_domain", "text", "host of To"),
    Column("to_tag", "text", "tag of To"),
    Column("contact_user", "text", "user of the first Contact"),
    Column("contact_domain", "text", "host of the first Contact"),
    Column("pai_user", "text", "user of P-Asserted-Identity, P-Preferred-Identity or RPID"),
    Column("pai_domain", "text", "host of the same"),
    Column("auth_user", "text", "username of (Proxy-)Authorization"),
    Column("auth_realm", "text", "realm of the same"),
    Column("user_agent", "text", "User-Agent, else Server"),
    Column("via_branch", "text", "branch of the top Via"),
    Column("fault", "text", "what is wrong with the message; null when nothing is"),
    Column("raw", "bytea", "the message exactly as captured"),
)


class Table(NamedTuple):
    """One table, partitioned by ``ts``."""

    name: str
    kind: str
    """What settings, retention and statistics call it."""
    columns: tuple[Column, ...]


TABLES: Final = (*(Table(f"sip_message_{kind.label}", kind.label, SIP_MESSAGE) for kind in Kind),)
"""Every table that rows are copied into; the first ones in the order of ``Kind``."""

SIP_MESSAGE_TABLES: Final = tuple(table.name for table in TABLES[: len(Kind)])
