# SPDX-License-Identifier: GPL-2.0-or-later
"""One message as a COPY row, read back by an independent reader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep, sip
from collector.copy_binary import UNKNOWN_ADDRESSES, clean
from collector.hep import Hep
from collector.row import MAX_FIELD_BYTES, encode, transport
from collector.sip import COLUMN_FIELDS, Fault, Sip
from tests.copy_reader import Row, read_rows
from tests.hep_bytes import DST4, DST6, SRC4, SRC6
from tests.sip_text import extract, request, with_headers

TS = 1_763_856_000_123_456
"""2025-11-23 in µs since 1970."""
FIELD_BYTES = 512

TEXTS = set(COLUMN_FIELDS) - {"kind", "status", "cseq", "fault", "via_transport"}
"""Columns and fields of Sip that have the same name and text."""


def _packet(**fields: Any) -> Hep:
    base = Hep(3, hep.PROTOCOL_UDP, SRC4, DST4, 5060, 5061, 0, 0, hep.TYPE_SIP, 7, b"raw")
    return base._replace(**fields)


def _row(packet: Hep, message: Sip, **options: Any) -> Row:
    values: dict[str, Any] = {
        "ts": TS,
        "record_id": 64,
        "sender_ts": None,
        "node": b"7",
        "max_field_bytes": FIELD_BYTES,
    }
    (row,) = read_rows(encode(packet, message, **values | options))
    return row


def _of(*headers: bytes, **options: Any) -> Row:
    """The row of a message with these headers."""
    message = with_headers(*headers)
    return _row(_packet(payload=message), sip.extract(message), **options)


def test_every_column_of_a_request() -> None:
    """Each field of packet and message in its place."""
    fields: dict[str, Any] = {name: b"the " + name.encode() for name in TEXTS}
    fields |= {"kind": sip.Kind.CALL, "status": 0, "cseq": 42, "fault": None}
    later: dict[str, Any] = dict.fromkeys(set(Sip._fields) - set(COLUMN_FIELDS), b"")
    message = Sip(**fields, via_transport=b"UDP", **later)
    packet = _packet(payload=b"the raw message", correlation_id=b"the correlation id", vlan=742)
    row = _row(
        packet,
        message,
        record_id=2**62,
        sender_ts=TS - 1,
        node=b"edge-1",
        aleg_id=b"the leg before",
        headers=b'{"X-Tenant":"7"}',
    )
    assert row == {
        **{name: f"the {name}" for name in TEXTS},
        "ts": TS,
        "id": 2**62,
        "sender_ts": TS - 1,
        "src_port": 5060,
        "dst_port": 5061,
        "cseq": 42,
        "status": None,
        "vlan": 742,
        "src_ip": "192.0.2.1",
        "dst_ip": "198.51.100.2",
        "transport": "UDP",
        "node": "edge-1",
        "correlation_id": "the correlation id",
        "fault": None,
        "raw": b"the raw message",
        "aleg_id": "the leg before",
        "headers": {"X-Tenant": "7"},
        "chunks": None,
    }


def test_rarer_chunks_are_kept_by_name() -> None:
    """Beside the message, whatever they are."""
    row = _row(_packet(extra={0x20: b"\x01\xb8", 0x26: b"tag"}), sip.extract(request()))
    assert row["chunks"] == {"mos": 440, "tags": "tag"}


def test_every_column_of_an_empty_message() -> None:
    """NULL where there is nothing, but never in a column that must have a value."""
    row = _row(_packet(src_ip=b"", dst_ip=b"", payload=b""), sip.extract(b""))
    required = {"ts": TS, "id": 64, "src_port": 5060, "dst_port": 5061, "call_id": ""}
    required |= {"transport": "UDP", "node": "7", "raw": b"", "fault": "start_line"}
    assert {name: value for name, value in row.items() if value is not None} == required


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_told(fault: Fault) -> None:
    """A message that is wrong is stored and can be found by what is wrong with it."""
    assert _row(_packet(), extract()._replace(fault=fault))["fault"] == fault.value


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ([], None),
        ([b"User-Agent: \xff"], "text"),
        ([b"User-Agent: a\0b"], "text"),
        ([b"User-Agent: " + b"x" * 513], "field_length"),
        ([b"User-Agent: " + b"x" * 513, b"From: <sip:\xff@b>"], "text"),
        ([b"From: <sip:\xff@b>", b"User-Agent: " + b"x" * 513], "text"),
        ([b"Content-Length: 99", b"User-Agent: \xff"], "truncated"),
        ([b"X-Unread: \xff\0"], None),
        ([b"User-Agent: " + b"x" * 512], None),
        (["User-Agent: Zoë".encode()], None),
    ],
)
def test_the_first_fault_that_applies_is_told(headers: list[bytes], fault: str | None) -> None:
    """In the order of the list; what stands in no column does no harm."""
    assert _of(*headers)["fault"] == fault


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (SRC4, "192.0.2.1"),
        (SRC6, "2001:db8::1"),
        (bytes((127, 0, 0, 1)), "127.0.0.1"),
        (bytes(15) + b"\1", "::1"),
        (b"\xff" * 16, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        (b"", None),
        (bytes(4), None),
        (b"\xff" * 4, None),
        (bytes(16), None),
    ],
)
def test_addresses(address: bytes, shown: str | None) -> None:
    """Those that senders write when they do not know are NULL."""
    row = _row(_packet(src_ip=address, dst_ip=address), extract())
    assert (row["src_ip"], row["dst_ip"]) == (shown, shown)
    assert (shown is None) == (address in UNKNOWN_ADDRESSES)


def test_addresses_of_two_families_are_kept_as_they_are() -> None:
    """A sender's mistake is none of ours."""
    row = _row(_packet(src_ip=SRC4, dst_ip=DST6), extract())
    assert (row["src_ip"], row["dst_ip"]) == ("192.0.2.1", "fd00::2")


@pytest.mark.parametrize("port", [0, 1, 32_767, 32_768, 65_535])
def test_ports_of_the_whole_range(port: int) -> None:
    """Not only those that fit into a smallint."""
    row = _row(_packet(src_port=port, dst_port=65_535 - port), extract())
    assert (row["src_port"], row["dst_port"]) == (port, 65_535 - port)


@pytest.mark.parametrize(("vlan", "shown"), [(0, None), (1, 1), (4095, 4095), (0xE001, 1)])
def test_vlan(vlan: int, shown: int | None) -> None:
    """12 bits; some senders put the priority above them."""
    assert _row(_packet(vlan=vlan), extract())["vlan"] == shown


@pytest.mark.parametrize(("cseq", "shown"), [(-1, None), (0, 0), (2**31 - 1, 2**31 - 1)])
def test_cseq(cseq: int, shown: int | None) -> None:
    """NULL when it could not be read."""
    assert _row(_packet(), extract()._replace(cseq=cseq))["cseq"] == shown


@pytest.mark.parametrize(("status", "shown"), [(0, None), (100, 100), (699, 699)])
def test_status(status: int, shown: int | None) -> None:
    """NULL for a request."""
    assert _row(_packet(), extract()._replace(status=status))["status"] == shown


@pytest.mark.parametrize(
    ("protocol", "via", "shown"),
    [
        (17, b"UDP", "UDP"),
        (17, b"", "UDP"),
        (17, b"TCP", "UDP"),
        (17, b"WSS", "UDP"),
        (6, b"TCP", "TCP"),
        (6, b"", "TCP"),
        (6, b"WS", "WS"),
        (6, b"WSS", "WSS"),
        (6, b"TLS", "TLS"),
        (22, b"", "TLS"),
        (22, b"TLS", "TLS"),
        (22, b"WSS", "WSS"),
        (22, b"UDP", "TLS"),
        (132, b"SCTP", "SCTP"),
        (132, b"TLS-SCTP", "SCTP"),
        (0, b"", "0"),
        (255, b"UDP", "255"),
    ],
)
def test_transport(protocol: int, via: bytes, shown: str) -> None:
    """HEP has one number for TLS, WS and WSS; the top Via knows which."""
    assert transport(protocol, via) == shown.encode()
    row = _row(_packet(protocol=protocol), extract()._replace(via_transport=via))
    assert row["transport"] == shown


@pytest.mark.parametrize(
    ("correlation", "shown"), [(b"", None), (b"c", None), (b"other", "other"), (b"C", "C")]
)
def test_correlation_id(correlation: bytes, shown: str | None) -> None:
    """Not stored again when it is the Call-ID."""
    assert _row(_packet(correlation_id=correlation), extract())["correlation_id"] == shown


@pytest.mark.parametrize("name", ["node", "correlation_id"])
@pytest.mark.parametrize(
    ("value", "shown", "fault"),
    [
        ("Zoë".encode(), "Zoë", None),
        (b"a\xffb", "a\ufffdb", "text"),
        (b"a\0b", "a\ufffdb", "text"),
        (b"x" * 600, "x" * 512, "field_length"),
        (b"x" * 512, "x" * 512, None),
    ],
)
def test_names_from_hep_are_cleaned_too(
    name: str, value: bytes, shown: str, fault: str | None
) -> None:
    """The message itself may be plain ASCII."""
    if name == "node":
        row = _row(_packet(), extract(), node=value)
    else:
        row = _row(_packet(correlation_id=value), extract())
    assert (row[name], row["fault"]) == (shown, fault)


@pytest.mark.parametrize("size", [64, 100, 512, 2048])
@pytest.mark.parametrize("letter", ["x", "é", "€", "🙂"])
def test_long_values_are_cut_at_a_whole_character(size: int, letter: str) -> None:
    """Never in the middle of one, never longer than allowed, and marked."""
    text = letter * size
    row = _of(f"User-Agent: {text}".encode(), max_field_bytes=size)
    kept = row["user_agent"]
    assert text.startswith(kept)
    assert size - len(letter.encode()) < len(kept.encode()) <= size
    assert row["fault"] == (None if kept == text else "field_length")
    assert text.encode() in row["raw"]


def test_the_largest_field_limit_fits_the_index() -> None:
    """A B-tree entry of PostgreSQL has at most 2,704 bytes."""
    assert MAX_FIELD_BYTES <= 2_704 - 100
    message = b"INVITE sip:a SIP/2.0\r\nCSeq: 1 INVITE\r\nCall-ID: " + b"i" * 5000 + b"\r\n\r\n"
    row = _row(_packet(), sip.extract(message), max_field_bytes=MAX_FIELD_BYTES)
    assert row["call_id"] == "i" * MAX_FIELD_BYTES


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"\0", bytes(range(256)), b"\xff" * 65_000, request(body=bytes(range(256)))),
        request(headers="User-Agent: Zoë\r\n"),
    ],
)
def test_the_raw_message_keeps_every_byte(payload: bytes) -> None:
    """Whatever the columns make of it."""
    assert _row(_packet(payload=payload), sip.extract(payload))["raw"] == payload


@pytest.mark.parametrize(
    "ts", [0, 1, 946_684_799_999_999, 946_684_800_000_000, TS, 4_102_444_799_999_999]
)
def test_times_before_and_after_the_epoch_of_postgresql(ts: int) -> None:
    """1970, 1999, 2000, 2025 and 2099, to the µs."""
    row = _row(_packet(), extract(), ts=ts, sender_ts=ts)
    assert (row["ts"], row["sender_ts"]) == (ts, ts)
    assert _row(_packet(), extract(), ts=TS, sender_ts=None)["sender_ts"] is None


@given(st.lists(st.binary(max_size=90), min_size=1, max_size=4).map(tuple), st.integers(4, 100))
def test_cleaned_values_are_text_within_the_limit(values: tuple[bytes, ...], limit: int) -> None:
    """Good ones are left alone, the others are marked; cleaning twice changes nothing."""
    cleaned, fault = clean(values, limit)
    for before, after in zip(values, cleaned, strict=True):
        text = after.decode()
        assert "\0" not in text
        assert len(after) <= limit
        whole = before.decode("utf-8", "replace").replace("\0", "\ufffd")
        assert whole.startswith(text)
    assert (fault is None) == (cleaned == values)
    assert clean(cleaned, limit) == (cleaned, None)


@given(st.binary(max_size=300), st.binary(max_size=30), st.binary(min_size=1, max_size=30))
def test_any_message_gives_one_row(payload: bytes, correlation: bytes, node: bytes) -> None:
    """The reader checks the shape of every field."""
    packet = _packet(payload=payload, correlation_id=correlation, dst_ip=DST4)
    row = _row(packet, sip.extract(payload), node=node, max_field_bytes=64)
    assert row["raw"] == payload
    assert all(len(value.encode()) <= 64 for name, value in row.items() if isinstance(value, str))
