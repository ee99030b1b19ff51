# SPDX-License-Identifier: GPL-2.0-or-later
"""The Protobuf form: byte by byte as its senders write it, and nothing else taken for it."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep, protobuf
from collector.causes import Cause
from collector.hep import Hep
from collector.hop import Batch, Options, encode
from collector.journal import record
from tests.hep_bytes import DST4, DST6, MICROSECONDS, SECONDS, SENDERS, SIP, SRC4, SRC6

PACKET = Hep(
    *(hep.VERSION_PROTOBUF, 17, SRC4, DST4, 5060, 5061, SECONDS, MICROSECONDS, 1, 2001, SIP),
    correlation_id=b"cid",
    auth_key=b"secret",
    vlan=12,
)
FIELDS: dict[int, int | bytes] = {
    1: 2,
    2: 17,
    3: b"192.0.2.1",
    4: b"198.51.100.2",
    5: 5060,
    6: 5061,
    7: SECONDS,
    8: MICROSECONDS,
    9: 1,
    10: 2001,
    11: b"secret",
    12: SIP,
    13: b"cid",
    14: 12,
}
"""The fields of PACKET by number."""


def varint(value: int) -> bytes:
    """Base 128, the low bits first."""
    data = b""
    while value > 127:
        data += bytes([value & 127 | 128])
        value >>= 7
    return data + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """Tag and value; numbers as varints."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(changed: dict[int, int | bytes | None] | None = None) -> bytes:
    """PACKET with some fields changed, or left out (None)."""
    values = {**FIELDS, **(changed or {})}
    return b"".join(field(n, value) for n, value in values.items() if value is not None)


def test_the_bytes_of_a_sender() -> None:
    """As Go's protobuf library writes them: in the order of the numbers."""
    assert message().startswith(
        b"\x08\x02\x10\x11\x1a\x09192.0.2.1\x22\x0c198.51.100.2\x28\xc4\x27"
    )
    assert protobuf.decode(message()) == PACKET
    assert protobuf.encode(PACKET) == message()


def test_ipv6_and_packets_without_addresses() -> None:
    """A ping of heplify has none."""
    found = protobuf.decode(message({1: 10, 3: b"2001:db8::1", 4: b"fd00::2"}))
    assert isinstance(found, Hep)
    assert (found.src_ip, found.dst_ip) == (SRC6, DST6)
    ping = protobuf.decode(message({1: 0, 2: 0, 3: b"", 4: b"", 9: 0}))
    assert isinstance(ping, Hep)
    assert (ping.src_ip, ping.dst_ip, ping.type) == (b"", b"", 0)


def test_the_order_of_the_fields_is_free_and_the_last_of_two_counts() -> None:
    """As the Protobuf encoding says."""
    data = b"".join(field(n, FIELDS[n]) for n in reversed(FIELDS))
    assert protobuf.decode(field(12, b"first") + data) == PACKET


def test_unknown_fields_are_skipped() -> None:
    """Of every wire type that is in use."""
    unknown = field(15, 1 << 63) + field(2000, b"x" * 300)
    unknown += varint(16 << 3 | 1) + bytes(8) + varint(17 << 3 | 5) + bytes(4)
    assert protobuf.decode(unknown + message() + unknown) == PACKET


@pytest.mark.parametrize("number", FIELDS)
def test_every_field_is_required_and_has_its_type(number: int) -> None:
    """That is what tells it from anything else that has no magic."""
    assert protobuf.decode(message({number: None})) is Cause.NOT_HEP
    other: int | bytes = b"17" if isinstance(FIELDS[number], int) else 17
    assert protobuf.decode(message({number: other})) is Cause.NOT_HEP


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (2, 256),
        (5, 65_536),
        (6, 1 << 32),
        (7, 1 << 32),
        (8, 1 << 63),
        (9, 256),
        (14, 65_536),
        (3, b"192.0.2.256"),
        (3, b"192.0.2.1\0"),
        (3, b"example.com"),
        (4, b"2001:db8::g"),
        (4, b"\xff\xfe"),
        (4, b":" * 60_000),
    ],
)
def test_a_value_out_of_range_is_refused(number: int, value: int | bytes) -> None:
    """What no HEP packet could say."""
    assert protobuf.decode(message({number: value})) is Cause.NOT_HEP


def test_a_message_that_is_cut_off_is_refused() -> None:
    """At whatever byte."""
    data = message()
    for size in range(len(data)):
        assert protobuf.decode(data[:size]) is Cause.NOT_HEP
    for tail in (
        b"\x80",
        b"\x78",
        b"\x78" + b"\xff" * 12,
        b"\x7a\x05abc",
        b"\x00",
        b"\x7b",
        b"\x7e",
    ):
        assert protobuf.decode(data + tail) is Cause.NOT_HEP


def test_what_others_send_is_not_taken_for_it() -> None:
    """Every form of HEP, SIP, HTTP, JSON, zeros."""
    others = [expected.data for expected in SENDERS]
    others += [SIP, b"GET / HTTP/1.1\r\n\r\n", b'{"a":1}', bytes(100), b"\r\n\r\n", b""]
    assert [protobuf.decode(data) for data in others] == [Cause.NOT_HEP] * len(others)


@pytest.mark.parametrize(
    "data",
    [
        field(15, 0) * 21_000,
        b"\x80" * 65_000,
        field(3, b"") * 21_000,
        varint(16 << 3 | 5) + bytes(65_000),
    ],
)
def test_nothing_takes_long(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not a packet that is made for it: it ends after a number of fields, not of bytes."""
    steps = []
    read = protobuf._read_varint

    def counted(data: bytes, position: int) -> tuple[int, int]:
        steps.append(position)
        return read(data, position)

    monkeypatch.setattr(protobuf, "_read_varint", counted)
    assert protobuf.decode(data) is Cause.NOT_HEP
    assert 0 < len(steps) <= 2 * protobuf._MOST_FIELDS


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Never an exception."""
    assert protobuf.decode(data) is Cause.NOT_HEP or isinstance(protobuf.decode(data), Hep)
    found = protobuf.decode(message() + data)
    assert found is Cause.NOT_HEP or isinstance(found, Hep)


@given(st.integers(0, 500), st.integers(0, 255))
def test_any_byte_may_be_wrong(position: int, value: int) -> None:
    """Of a packet that was good."""
    data = bytearray(message())
    data[position % len(data)] = value
    found = protobuf.decode(bytes(data))
    assert found is Cause.NOT_HEP or isinstance(found, Hep)


u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFF_FFFF)
addresses = st.one_of(
    st.tuples(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4)),
    st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16)),
    st.just((b"", b"")),
)


@given(
    addresses,
    st.fixed_dictionaries(
        {
            "protocol": st.integers(0, 255),
            "src_port": u16,
            "dst_port": u16,
            "seconds": u32,
            "microseconds": u32,
            "type": st.integers(0, 255),
            "capture_id": u32,
            "payload": st.binary(max_size=500),
            "correlation_id": st.binary(max_size=50),
            "auth_key": st.binary(max_size=50),
            "vlan": u16,
        }
    ),
)
def test_round_trip(ips: tuple[bytes, bytes], values: dict[str, Any]) -> None:
    """What is encoded is read back."""
    packet = PACKET._replace(src_ip=ips[0], dst_ip=ips[1], **values)
    assert protobuf.decode(protobuf.encode(packet)) == packet


def test_it_becomes_a_row_like_any_other() -> None:
    """Whichever way it came; what is neither is refused with its bytes."""
    now = time.time_ns()
    garbage = os.urandom(40)
    journal = b"".join(
        record.pack(record.make_id(now + n, 1, 0), bytes(16), 9060, 0, data)
        for n, data in enumerate((message(), b"\xff" + garbage))
    )
    batch = Batch()
    encode(journal, batch, Options(10**15, 10**15, 512, 10), 10)
    assert batch.causes[Cause.STORED] == 1
    assert batch.causes[Cause.NOT_HEP] == 1
    assert [item.packet for item in batch.refused] == [b"\xff" + garbage]
    assert sorted(key[1:] for key in batch.senders) == [(b"", 0), (b"2001", hep.VERSION_PROTOBUF)]
