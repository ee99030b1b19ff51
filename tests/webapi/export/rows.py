# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of ``sip_message`` as they are read: what they say about a message is up to the test."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from collector.moment import from_us, to_us
from tests.tshark import texts

START_US: Final = 1_790_000_000_123_456
_FIELDS: Final = (
    *("frame.time_epoch", "vlan.id", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"),
    *("udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport", "sctp.srcport", "sctp.dstport"),
    *("udp.payload", "tcp.payload", "data.data", "frame.comment"),
    *("ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "sctp.checksum.status"),
)
_CHECKED: Final = (
    *("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"),
    *("-o", "tcp.check_checksum:TRUE", "-o", "sctp.checksum:CRC 32c"),
    # The bytes are wanted, not what they mean.
    *("--disable-protocol", "sip", "--disable-protocol", "tls", "--disable-protocol", "rtp"),
)


def brief(payload: bytes) -> tuple[int, str]:
    """Length and digest: what pytest shows of a difference stays readable."""
    return len(payload), hashlib.sha256(payload).hexdigest()


class Seen(NamedTuple):
    """A message in a capture file, as tshark reads it."""

    us: int
    transport: str
    vlan: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes
    comment: str


def row(number: int, raw: bytes, transport: str = "UDP", **columns: Any) -> dict[str, Any]:
    """The message so many seconds and µs after the beginning; addresses are text."""
    for name in ("src_ip", "dst_ip"):
        if isinstance(columns.get(name), str):
            columns[name] = ip_address(columns[name])
    base = {
        "ts": from_us(START_US) + timedelta(seconds=number, microseconds=number),
        "id": to_us(from_us(START_US)) * 1000 + number,
        "src_ip": ip_address("192.0.2.1"),
        "dst_ip": ip_address("198.51.100.2"),
        "src_port": 5070,
        "dst_port": 5080,
        "transport": transport,
        "node": "2001",
        "call_id": "call@example",
        "vlan": None,
        "chunks": None,
        "raw": raw,
    }
    return base | columns


async def insert(connection: AsyncConnection[TupleRow], rows: list[dict[str, Any]]) -> None:
    """Store them as they are, as an import does: HEP has no message of more than 64 KB."""
    for stored in rows:
        values = stored | {"chunks": Jsonb(stored["chunks"]) if stored["chunks"] else None}
        statement = sql.SQL("INSERT INTO sip_message_call ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        )
        await connection.execute(statement, list(values.values()))


def read(file: Path) -> list[Seen]:
    """The messages; the segments and chunks of one are put together by their time.

    Every checksum is right, and nothing is a retransmission.
    """
    found: list[Seen] = []
    for value in texts(file, _FIELDS, *_CHECKED):
        checks = {value[name] for name in _FIELDS if name.endswith("checksum.status")}
        assert checks <= {"", "1"}, value["frame.time_epoch"]
        transport = next(name for name in ("udp", "tcp", "sctp") if value[f"{name}.srcport"])
        assert value[f"{transport}.checksum.status"] == "1", value["frame.time_epoch"]
        payload = value["data.data"] if transport == "sctp" else value[f"{transport}.payload"]
        seconds, _, fraction = value["frame.time_epoch"].partition(".")
        assert fraction.endswith("000")
        seen = Seen(
            int(seconds) * 1_000_000 + int(fraction[:6]),
            transport,
            int(value["vlan.id"] or 0),
            value["ip.src"] or value["ipv6.src"],
            int(value[f"{transport}.srcport"]),
            value["ip.dst"] or value["ipv6.dst"],
            int(value[f"{transport}.dstport"]),
            bytes.fromhex(payload),
            value["frame.comment"],
        )
        if found and found[-1].us == seen.us and transport != "udp":
            seen = found[-1]._replace(payload=found[-1].payload + seen.payload)
            found.pop()
        found.append(seen)
    return found
