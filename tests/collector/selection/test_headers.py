# SPDX-License-Identifier: GPL-2.0-or-later
"""A-leg headers and custom headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.selection.headers import Headers
from collector.sip import find_headers
from collector.sip_header import COMPACT_NAMES
from tests.sip_text import request, with_headers


def _aleg(entries: list[str], *headers: bytes) -> bytes:
    return Headers(entries, ()).find(with_headers(*headers), 512).aleg_id


def _custom(entries: list[str], *headers: bytes) -> dict[str, str | int | float]:
    return dict(Headers((), entries).find(with_headers(*headers), 512).custom)


@pytest.mark.parametrize(
    ("entries", "headers", "expected"),
    [
        (["X-CID"], [b"X-CID: abc@host"], b"abc@host"),
        (["X-CID"], [b"x-cid :  abc@host  "], b"abc@host"),
        (["x-cid"], [b"X-CID: abc", b" @host"], b"abc @host"),
        (["X-CID"], [b"X-CID: first", b"X-CID: second"], b"first"),
        (["X-CID"], [b"X-Other: abc"], b""),
        (["X-CID"], [b"X-CID:"], b""),
        (["X-B", "X-A"], [b"X-A: a", b"X-B: b"], b"b"),
        (["X-B", "X-A"], [b"X-A: a"], b"a"),
        (["P-Charging-Vector: icid-value=([^;]+)"], [b"P-Charging-Vector: icid-value=7;x=1"], b"7"),
        (["X-A: ^id=(.*)$", "X-B"], [b"X-A: none", b"X-B: b"], b"b"),
        (["X-A: a{1,2}(b)"], [b"X-A: aab"], b"b"),
        (["User-Agent"], [b"User-Agent: anything"], b"anything"),
        (["Refer-To"], [b"r: <sip:x@y>"], b"<sip:x@y>"),
        (["i"], [], b"c"),
    ],
)
def test_the_leg_before(entries: list[str], headers: list[bytes], expected: bytes) -> None:
    """Several headers in order, any name, any case, a part by pattern."""
    assert _aleg(entries, *headers) == expected


def test_custom_headers_keep_their_type() -> None:
    """Numbers where asked for and possible."""
    entries = ["X-Tenant", "X-Cost: number", "X-Rate:number", "X-Odd:number", "X-Absent"]
    headers = [b"x-tenant: 7", b"X-COST: 42", b"X-Rate: -1.5", b"X-Odd: 4 2"]
    found = _custom(entries, *headers)
    assert found == {"X-Tenant": "7", "X-Cost": 42, "X-Rate": -1.5, "X-Odd": "4 2"}


def test_values_are_clean_and_short() -> None:
    """They go into JSON and into an index."""
    found = _custom(["X-A", "X-B"], b"X-A: a\xff\0z", b"X-B: " + "ü".encode() * 400)
    assert found == {"X-A": "a\ufffd\ufffdz", "X-B": "ü" * 256}


@pytest.mark.parametrize(
    ("aleg", "custom", "message"),
    [
        (["X CID"], [], "'X CID' is no header name"),
        ([""], [], "is no header name"),
        (["X-CID: abc"], [], "has no group"),
        (["X-CID: (abc"], [], "is no pattern"),
        ([], ["X-A: date"], "must be text or number"),
        ([], ["X\tY"], "is no header name"),
    ],
)
def test_wrong_entries(aleg: list[str], custom: list[str], message: str) -> None:
    """Are refused when the settings are read."""
    with pytest.raises(ValueError, match=message):
        Headers(aleg, custom)


@pytest.mark.parametrize(("short", "name"), COMPACT_NAMES.items())
def test_compact_forms_are_found(short: bytes, name: bytes) -> None:
    """All that are registered."""
    message = b"BYE sip:a SIP/2.0\r\n" + short.upper() + b": value\r\n\r\n"
    assert find_headers(message, frozenset({name})) == {name: b"value"}


def test_a_body_has_no_headers() -> None:
    """Whatever stands in it."""
    message = request(body=b"X-CID: no\r\n")
    assert find_headers(message, frozenset({b"x-cid"})) == {}


@given(st.binary(max_size=300))
def test_any_bytes_are_looked_through(message: bytes) -> None:
    """And what is found is clean."""
    aleg, _, custom = Headers(["a", "X-B"], ["X-B", "c: number"]).find(message, 16)
    assert len(aleg) <= 16
    assert aleg.decode().encode() == aleg
    assert all(len(str(value).encode()) <= 16 for value in custom.values())
