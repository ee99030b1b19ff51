# SPDX-License-Identifier: GPL-2.0-or-later
"""One line of the table of senders: a packet, and the rows that must come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.hep_bytes import MICROSECONDS, SECONDS

Row = dict[str, Any]

RECORDED: Final = Path(__file__).parent / "data" / "senders"
SENT_US: Final = SECONDS * 1_000_000 + MICROSECONDS
V4: Final = {"src_ip": "192.0.2.1", "dst_ip": "198.51.100.2"}
V6: Final = {"src_ip": "2001:db8::1", "dst_ip": "fd00::2"}
UNKNOWN: Final = {"src_ip": None, "dst_ip": None}
_SIP_TABLE: Final = "sip_message_call"


class Sender(NamedTuple):
    """One packet; ``rows`` name the columns that matter. No row: counted as a keepalive.

    ``sent_at`` is the sender's clock in µs since 1970, None where it sent no time.
    """

    name: str
    packet: bytes
    table: str
    rows: tuple[Row, ...]
    sent_at: int | None = SENT_US


def recorded(name: str) -> bytes:
    """A datagram as it came out of a program's socket."""
    return bytes.fromhex((RECORDED / f"{name}.hex").read_text())


def invite(call_id: str, transport: str = "UDP") -> bytes:
    """A request as it is on the wire, with what ends in columns."""
    return (
        "INVITE sip:+4989123@example.com;user=phone SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 192.0.2.1:5060;rport;branch=z9hG4bK-{call_id}\r\n"
        'From: "Alice" <sip:alice@example.com>;tag=from-tag\r\n'
        "To: <sip:bob@example.org>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 4711 INVITE\r\n"
        "Contact: <sip:alice@192.0.2.1:5060>\r\nUser-Agent: Example/1\r\n"
        "Content-Length: 4\r\n\r\nv=0\n"
    ).encode()


def stored(call_id: str, transport: str = "UDP", /, **columns: Any) -> Row:
    """The row of such a request; addresses, node and the like as ``columns`` say."""
    raw = invite(call_id, transport)
    return {
        **V4,
        "src_port": 5060,
        "dst_port": 5061,
        "call_id": call_id,
        "method": "INVITE",
        "status": None,
        "cseq": 4711,
        "transport": transport,
        "node": "0",
        "vlan": None,
        "correlation_id": None,
        "ruri_user": "+4989123",
        "ruri_domain": "example.com",
        "from_user": "alice",
        "from_domain": "example.com",
        "from_tag": "from-tag",
        "to_user": "bob",
        "to_domain": "example.org",
        "to_tag": None,
        "contact_user": "alice",
        "contact_domain": "192.0.2.1",
        "user_agent": "Example/1",
        "via_branch": f"z9hG4bK-{call_id}",
        "fault": None,
        "raw": raw,
        "chunks": None,
        **columns,
    }


def sip(name: str, packet: bytes, row: Row, *, sent_at: int | None = SENT_US) -> Sender:
    """A sender of such a request."""
    return Sender(name, packet, _SIP_TABLE, (row,), sent_at)


def event(name: str, packet: bytes, kind: int, payload: bytes, **columns: Any) -> Sender:
    """A sender of what is neither SIP nor a quality report."""
    row = {"type": kind, "payload": payload, "call_id": "", "fault": None, "chunks": None}
    return Sender(name, packet, "hep_event", (row | V4 | columns,))


def report(name: str, packet: bytes, *rows: Row, **columns: Any) -> Sender:
    """Each row has its number; columns that all have are given once."""
    common: Row = {"fault": None, "vlan": None, **V4, **columns}
    blocks = tuple({"block": block} | common | row for block, row in enumerate(rows))
    return Sender(name, packet, "rtcp_report", blocks)


def recording(
    name: str, file: str, sent_at: int | None, ports: tuple[int, int], **columns: Any
) -> Sender:
    """A recorded OPTIONS."""
    over = "TCP" if file.endswith("tcp") else "UDP"
    user = "corr" if file.endswith("correlation") else "plain"
    host = "::1" if file.endswith("ipv6") else "127.0.0.1"
    packet = recorded(file)
    row = {
        "src_ip": host,
        "dst_ip": host,
        "src_port": ports[0],
        "dst_port": ports[1],
        "call_id": f"{user}-{over.lower()}@recorded",
        "method": "OPTIONS",
        "cseq": 7,
        "transport": over,
        "ruri_user": user,
        "from_user": "alice",
        "from_tag": "a1",
        "via_branch": f"z9hG4bK-{over.lower()}",
        "node": "4660",
        "correlation_id": None,
        "fault": None,
        "chunks": None,
        "raw": packet[packet.index(b"OPTIONS ") :],
        **columns,
    }
    return Sender(name, packet, "sip_message_other", (row,), sent_at)
