# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables that packets end in, and their columns: behind COPY, API and documentation.

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
    Column("aleg_id", "text", "the leg before this one, as a header of correlation.headers says"),
    Column("headers", "jsonb", "the headers of sip.custom_headers, by name"),
    Column("chunks", "jsonb", "the rarer HEP chunks by name: MOS, tags, MAC addresses …"),
)

HEP_EVENT: Final = (
    Column("ts", "timestamp with time zone", "capture time by the sender's clock, µs"),
    Column("id", "bigint", "time of arrival in ns since 1970; unique per capture node"),
    Column("sender_ts", "timestamp with time zone", "as in sip_message"),
    Column("src_port", "integer", "source port"),
    Column("dst_port", "integer", "destination port"),
    Column("type", "smallint", "HEP protocol type: 53 DNS, 54 ISUP, 60 CDR, 100 log …"),
    Column("vlan", "smallint", "VLAN id"),
    Column("src_ip", "inet", "source address; null when the sender did not know it"),
    Column("dst_ip", "inet", "destination address; null when the sender did not know it"),
    Column("call_id", "text", "HEP correlation id, most often a Call-ID; empty when there is none"),
    Column("node", "text", "name of the capture agent, else its number"),
    Column("fault", "text", "what is wrong with the packet; null when nothing is"),
    Column("payload", "bytea", "the payload exactly as received"),
    Column("chunks", "jsonb", "as in sip_message"),
)

RTCP_REPORT: Final = (
    Column("ts", "timestamp with time zone", "capture time by the sender's clock, µs"),
    Column("id", "bigint", "as in sip_message; the rows of one packet share it"),
    Column("sender_ts", "timestamp with time zone", "as in sip_message"),
    Column("src_port", "integer", "source port"),
    Column("dst_port", "integer", "destination port"),
    Column("type", "smallint", "HEP protocol type: 5 RTCP, 34 rtpagent, 35 VQ, 38 horaclifix …"),
    Column("block", "smallint", "number of the report block within the packet, from 0"),
    Column("vlan", "smallint", "VLAN id"),
    Column("packet_type", "smallint", "RTCP packet type: 200 SR, 201 RR, 207 XR"),
    Column("ssrc", "bigint", "SSRC of the one who reports"),
    Column("source_ssrc", "bigint", "SSRC of the stream that the block is about"),
    Column("packets", "bigint", "RTP packets: sent by ssrc (RTCP), seen on the way (34, 38)"),
    Column("octets", "bigint", "their payload in bytes"),
    Column("packets_lost", "integer", "packets lost since the beginning of the stream"),
    Column("fraction_lost", "real", "0 … 1; in RTCP since the report before"),
    Column("fraction_discarded", "real", "0 … 1, dropped by the jitter buffer"),
    Column("highest_seq", "bigint", "extended highest sequence number received"),
    Column("jitter", "bigint", "interarrival jitter in RTP timestamp units, as sent"),
    Column("jitter_ms", "real", "jitter in ms, where the source gives ms"),
    Column("max_jitter_ms", "real", "largest jitter, ms"),
    Column("delta_ms", "real", "time between two packets as rtpagent gives it, ms"),
    Column("rtt_ms", "real", "round trip time, ms"),
    Column("rtt_source", "text", "report: rtt_ms was in it; lsr: capture time - LSR - DLSR"),
    Column("latency_ms", "real", "one-way delay or latency as the source gives it, ms"),
    Column("end_system_delay_ms", "integer", "delay within the reporting endpoint, ms"),
    Column("lsr", "bigint", "last SR: middle 32 bits of its NTP time; null for none"),
    Column("dlsr", "bigint", "delay since the last SR, 1/65536 s"),
    Column("mos", "real", "mean opinion score 1 … 5, listening quality"),
    Column("mos_cq", "real", "the same, conversational quality"),
    Column("r_factor", "real", "R-factor 0 … 120"),
    Column("burst_density", "real", "0 … 1, lost or discarded within bursts"),
    Column("gap_density", "real", "0 … 1, the same within gaps"),
    Column("burst_ms", "integer", "mean length of a burst, ms"),
    Column("gap_ms", "integer", "mean length of a gap, ms"),
    Column("src_ip", "inet", "source address; null when the sender did not know it"),
    Column("dst_ip", "inet", "destination address; null when the sender did not know it"),
    Column("call_id", "text", "HEP correlation id, most often a Call-ID; empty when there is none"),
    Column("node", "text", "name of the capture agent, else its number"),
    Column("direction", "text", "in, out (38); local, remote (35): whose view it is"),
    Column("fault", "text", "value: one that cannot be was left out; else as in sip_message"),
    Column("payload", "bytea", "the payload exactly as received; in block 0 only"),
    Column("chunks", "jsonb", "as in sip_message; in block 0 only"),
)


class Table(NamedTuple):
    """One table, partitioned by ``ts``."""

    name: str
    kind: str
    """What settings, retention and statistics call it."""
    columns: tuple[Column, ...]
    fillfactor: int = 100
    """Percent of a page that new rows may take; the rest is for updates."""


TABLES: Final = (
    *(Table(f"sip_message_{kind.label}", kind.label, SIP_MESSAGE) for kind in Kind),
    Table("hep_event", "event", HEP_EVENT),
    Table("rtcp_report", "report", RTCP_REPORT),
)
"""Every table that rows are copied into; the first ones in the order of ``Kind``."""

SIP_MESSAGE_TABLES: Final = tuple(table.name for table in TABLES[: len(Kind)])
EVENT: Final = next(index for index, table in enumerate(TABLES) if table.name == "hep_event")
REPORT: Final = next(index for index, table in enumerate(TABLES) if table.name == "rtcp_report")
"""Positions in ``TABLES``."""
