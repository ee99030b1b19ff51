# SPDX-License-Identifier: GPL-2.0-or-later
"""Rarer chunks as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import chunks
from collector.hep import CHUNKS


def _json(extra: dict[int, bytes], max_bytes: int = 512) -> Any:
    return json.loads(chunks.to_json(extra, max_bytes))


@pytest.mark.parametrize(
    ("number", "data", "name", "value"),
    [
        (0x0D, b"\0\x1e", "keep_alive", 30),
        (0x14, b"\0\x11\x22\xaa\xbb\xcc", "src_mac", "00:11:22:aa:bb:cc"),
        (0x15, b"\0\0\0\x11\x22\xaa\xbb\xcc", "dst_mac", "00:11:22:aa:bb:cc"),
        (0x17, b"\x12", "tcp_flags", 18),
        (0x20, b"\x01\xb8", "mos", 440),
        (0x23, b"\xff\xff\xff\xff", "jitter", 4_294_967_295),
        (0x24, b"call", "transaction_type", "call"),
        (0x26, "tag für\tall".encode(), "tags", "tag für\tall"),
        (0x29, b"", "group_id", ""),
        (0x19, b"x", "0x0019", "x"),
        (0x65, b'{"sip":"a"}', "0x0065", '{"sip":"a"}'),
        (3 << 16 | 0x65, b"x", "3:0x0065", "x"),
        (0x26, b"a\0b", "tags", "610062"),
        (0x26, b"\xff\xfe", "tags", "fffe"),
    ],
)
def test_name_and_value(number: int, data: bytes, name: str, value: str | int) -> None:
    """As the specification names them; text where it is text."""
    assert _json({number: data}) == {name: value}


def test_long_values_are_cut() -> None:
    """Text and hexadecimal alike, and never within a character."""
    cut = _json({0x26: "ü".encode() * 5000, 0x22: b"\xff" * 5000}, max_bytes=101)
    assert cut == {"tags": "ü" * 50, "geo_location": "ff" * 50}


@given(st.dictionaries(st.sampled_from([*CHUNKS, 0x65, 1 << 16, 2**32 - 1]), st.binary()))
def test_any_bytes_give_json_that_postgresql_takes(extra: dict[int, bytes]) -> None:
    """jsonb has no NUL."""
    text = chunks.to_json(extra, 64)
    assert b"\\u0000" not in text
    assert len(json.loads(text)) == len(extra)
