# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files: what is stored is what Wireshark reads, byte by byte and µs by µs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.moment import from_us
from tests.sip_text import request
from tests.tshark import texts
from tests.webapi.export.rows import START_US, brief, insert, read, row
from webapi.export import frame
from webapi.export.form import Ending, Form
from webapi.export.pcap import Pcap, PcapNg

Client = TestClient[Request, Application]
HOST = {"Host": "127.0.0.1:9080"}
V6 = {"src_ip": "2001:db8::1", "dst_ip": "2001:db8::2"}
FORMS: Final[dict[str, Callable[[], Form]]] = {"pcap": Pcap, "pcapng": PcapNg}
# From one byte to more than IP can hold, around what one datagram, segment or chunk holds.
SIZES = (1, 2, 3, 700, 1500, 9000, 65_000, 65_001, 65_507, 130_001, 200_000)
TRANSPORTS = ("UDP", "TCP", "TLS", "SCTP", "WSS")


def _write(suffix: str, rows: list[dict[str, Any]], ending: Ending | None = None) -> bytes:
    form = FORMS[suffix]()
    half = len(rows) // 2
    return form.begin() + form.rows(rows[:half]) + form.rows(rows[half:]) + form.end(ending)


def _expected(stored: dict[str, Any]) -> tuple[object, ...]:
    carried = {"UDP": "udp", "SCTP": "sctp"}.get(stored["transport"], "tcp")
    if carried == "udp" and len(stored["raw"]) > (
        65_527 if stored["src_ip"].version == 6 else 65_507
    ):
        carried = "tcp"
    us = START_US + round((stored["ts"] - from_us(START_US)).total_seconds() * 1e6)
    return (
        *(us, carried, stored["vlan"] or 0, str(stored["src_ip"]), stored["src_port"]),
        *(str(stored["dst_ip"]), stored["dst_port"], brief(stored["raw"])),
    )


def _read(file: Path) -> list[tuple[object, ...]]:
    return [(*seen[:-2], brief(seen.payload)) for seen in read(file)]


@pytest.mark.parametrize("suffix", FORMS)
async def test_stored_messages_are_read_by_tshark_byte_for_byte_with_their_times(
    client: Client, connection: AsyncConnection[TupleRow], tmp_path: Path, suffix: str
) -> None:
    """1 byte to 200 KB, every transport, IPv4 and IPv6, with and without VLAN: stored, exported by
    a search and by the call, and read again."""
    kinds = list(product(SIZES, TRANSPORTS, ({}, V6)))
    stored = [
        row(n, bytes(97 + (n + i) % 26 for i in range(64)) * (size // 64) + b"z" * (size % 64),
            transport, vlan=n % 3 and n + 1, **ends)
        for n, (size, transport, ends) in enumerate(kinds)
    ]  # fmt: skip
    await insert(connection, stored)
    span = {"from": from_us(START_US).isoformat(), "to": from_us(START_US + 10**9).isoformat()}
    for path, query in (("messages", span), ("calls/call@example", {})):
        answer = await client.get(f"/api/v1/{path}/export.{suffix}", params=query, headers=HOST)
        assert answer.status == 200, await answer.text()
        file = tmp_path / f"export.{suffix}"
        file.write_bytes(await answer.read())
        assert _read(file) == [_expected(one) for one in stored]


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(
        st.tuples(
            st.one_of(st.integers(1, 2000), st.integers(1, 200_000)),
            st.sampled_from(TRANSPORTS),
            st.sampled_from(({}, V6)),
            st.integers(49_152, 65_535),  # for others tshark may know a protocol, and take it
            st.integers(0, 4094),
        ),
        max_size=8,
    ),
)
def test_any_messages_survive(suffix: str, kinds: list[Any]) -> None:
    """Whatever ports, sizes and order."""
    rows = [
        row(n, b"m" * size, transport, src_port=port, vlan=vlan, **ends)
        for n, (size, transport, ends, port, vlan) in enumerate(kinds)
    ]
    with TemporaryDirectory() as directory:
        file = Path(directory) / f"any.{suffix}"
        file.write_bytes(_write(suffix, rows))
        assert _read(file) == [_expected(one) for one in rows]


def test_wireshark_follows_a_stream_and_finds_the_messages_in_it(tmp_path: Path) -> None:
    """Segments of large messages, both directions: each message is read once, nothing is lost."""
    back = {"src_ip": "198.51.100.2", "dst_ip": "192.0.2.1", "src_port": 5060, "dst_port": 40_000}
    there = {"src_port": 40_000, "dst_port": 5060}
    rows = [
        row(n, request(number=n + 1, body=b"L" * size), "TCP", **(back if n % 2 else there))
        for n, size in enumerate((10, 150_000, 66_000, 20, 90_000, 5))
    ]
    file = tmp_path / "stream.pcap"
    file.write_bytes(_write("pcap", rows))
    names = ("sip.CSeq.seq", "tcp.stream", "tcp.analysis.flags")
    shown = texts(file, names)
    assert [value["sip.CSeq.seq"] for value in shown if value["sip.CSeq.seq"]] == list("123456")
    assert {value["tcp.stream"] for value in shown} == {"0"}
    assert {value["tcp.analysis.flags"] for value in shown} == {""}


def test_missing_addresses_have_stand_ins(tmp_path: Path) -> None:
    """0.0.0.0 and ::, and the mapped form beside IPv6."""
    rows = [
        row(0, b"both", src_ip=None, dst_ip=None),
        row(1, b"four", src_ip=None),
        row(2, b"six", src_ip=None, dst_ip="2001:db8::2"),
        row(3, b"mixed", dst_ip="2001:db8::2"),
    ]
    file = tmp_path / "unknown.pcap"
    file.write_bytes(_write("pcap", rows))
    assert [(seen.source, seen.destination, seen.payload) for seen in read(file)] == [
        ("0.0.0.0", "0.0.0.0", b"both"),
        ("0.0.0.0", "198.51.100.2", b"four"),
        ("::", "2001:db8::2", b"six"),
        ("::ffff:192.0.2.1", "2001:db8::2", b"mixed"),
    ]


def test_captured_mac_addresses_are_kept(tmp_path: Path) -> None:
    """Others stand in where none was sent, or what was sent is none."""
    rows = [
        row(0, b"m", chunks={"src_mac": "00:11:22:33:44:55"}),
        row(1, b"m", chunks={"src_mac": "no address"}),
    ]
    file = tmp_path / "mac.pcap"
    file.write_bytes(_write("pcap", rows))
    shown = [value["eth.src"] for value in texts(file, ("eth.src", "frame.number"))]
    assert shown == ["00:11:22:33:44:55", "02:00:00:00:00:01"]


def test_pcapng_says_where_each_message_is_from(tmp_path: Path) -> None:
    """Node, id and Call-ID, on one line whatever is in them; once for each message."""
    rows = [
        row(0, b"m" * 100_000, "TCP", node="edge\n1"),
        row(1, b"n", "TLS", call_id="\u202ex\r\ny" + "z" * 70_000),
    ]
    file = tmp_path / "comment.pcapng"
    file.write_bytes(_write("pcapng", rows))
    first, second, third = (v["frame.comment"] for v in texts(file, ("frame.comment", "ip.src")))
    assert (first, second) == (f"node edge 1, id {rows[0]['id']}, Call-ID call@example", "")
    assert third.startswith(f"node 2001, id {rows[1]['id']}, Call-ID  x  yzzz")


def test_a_file_that_is_not_complete_says_so_itself(tmp_path: Path) -> None:
    """pcapng in a comment, pcap in a frame that is no packet; both stay readable."""
    ending = Ending("export_limit", "there are more", "next-cursor")
    for suffix in FORMS:
        file = tmp_path / f"short.{suffix}"
        file.write_bytes(_write(suffix, [row(0, b"m")], ending))
        if suffix == "pcap":
            _, last = texts(file, ("eth.type", "data.data"))
            assert int(last["eth.type"], 16) == frame.NOTE_TYPE
            text = bytes.fromhex(last["data.data"]).decode()
        else:
            command = ["capinfos", str(file)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert len(texts(file, ("frame.number", "ip.src"))) == 1
        assert ending.text in text
        assert "export_limit" in ending.text
        assert "cursor=next-cursor" in ending.text


def test_what_is_remembered_of_streams_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was silent for longest is forgotten, and begins anew."""
    monkeypatch.setattr(frame, "MAX_FLOWS", 2)
    frames = frame.Frames()
    numbers = []
    for port in (1, 2, 1, 3, 1, 2):
        (made,) = frames.of(row(0, b"12345", "TCP", src_port=port))
        numbers.append(int.from_bytes(made[14 + 20 + 4 : 14 + 20 + 8], "big"))
    assert numbers == [1, 1, 6, 1, 11, 1]
