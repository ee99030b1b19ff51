# SPDX-License-Identifier: GPL-2.0-or-later
"""-fi, -di, -dim, -diip, -disip, -didip."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.selection import AddressFilter, ContentFilter, MethodFilter, cseq_method

_MESSAGE = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1\r\n"
    b"Call-ID: 1@a\r\n%b\r\nContent-Length: 0\r\n\r\n"
)


def _ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def test_fi_wants_all_texts_and_di_discards_by_any() -> None:
    """Anywhere in the frame."""
    wanted = ContentFilter((b"alice", b"bob"), ())
    assert not wanted.discards(b"... bob ... alice")
    assert wanted.discards(b"alice only")
    unwanted = ContentFilter((), (b"alice", b"bob"))
    assert unwanted.discards(b"bob")
    assert not unwanted.discards(b"carol")
    both = ContentFilter((b"INVITE",), (b"sipvicious",))
    assert both.discards(b"INVITE by sipvicious")
    assert not both.discards(b"INVITE by a phone")
    assert not ContentFilter((), ())


@pytest.mark.parametrize(
    "header",
    [b"CSeq: 1 REGISTER", b"cseq: 1 REGISTER", b"CSEQ:1 register", b"CSeq :  4711  REGISTER "],
)
def test_dim_finds_the_method_in_any_spelling(header: bytes) -> None:
    """Header names and their spacing are the sender's (RFC 3261 §7.3.1)."""
    assert cseq_method(_MESSAGE % header) == b"REGISTER"
    assert MethodFilter(frozenset({b"REGISTER"})).discards(_MESSAGE % header)


@pytest.mark.parametrize(
    "header",
    [
        b"CSeq: 1 INVITE",
        b"CSeq: REGISTER",
        b"CSeq: 1 2 REGISTER",
        b"CSeqs: 1 REGISTER",
        b"X-CSeq: 1 REGISTER",
        b"X: CSeq: 1 REGISTER",
        b"CSeq 1 REGISTER",
    ],
)
def test_dim_leaves_other_methods_and_other_headers(header: bytes) -> None:
    """Only the CSeq header counts, not a text that looks like one."""
    assert not MethodFilter(frozenset({b"REGISTER"})).discards(_MESSAGE % header)


def test_dim_needs_the_end_of_the_line() -> None:
    """A message that was cut off may have had another method."""
    assert cseq_method(b"X\r\nCSeq: 1 REGIS") == b""


@given(st.binary(max_size=200))
def test_any_bytes_have_a_method_or_none(data: bytes) -> None:
    """Nothing is raised."""
    assert isinstance(cseq_method(data), bytes)
    assert isinstance(cseq_method(b"\r\nCSeq" + data), bytes)


def test_diip_means_either_side_disip_the_source_didip_the_destination() -> None:
    """heplify's three lists."""
    alice, bob = _ip("192.0.2.1"), _ip("192.0.2.2")
    either = AddressFilter(["192.0.2.1"])
    assert either.discards(alice, bob)
    assert either.discards(bob, alice)
    assert not either.discards(bob, bob)
    source = AddressFilter(source=["192.0.2.1"])
    assert source.discards(alice, bob)
    assert not source.discards(bob, alice)
    destination = AddressFilter(destination=["192.0.2.1"])
    assert destination.discards(bob, alice)
    assert not destination.discards(alice, bob)
    assert not AddressFilter()


def test_diip_takes_networks_and_ipv6_in_any_spelling() -> None:
    """heplify compared text and knew no networks."""
    chosen = AddressFilter(["10.0.0.0/8", "2001:DB8:0:0::/32"])
    assert chosen.discards(_ip("10.9.8.7"), _ip("192.0.2.1"))
    assert chosen.discards(_ip("2001:db9::1"), _ip("2001:db8::1"))
    assert not chosen.discards(_ip("11.9.8.7"), _ip("192.0.2.1"))
    assert not chosen.discards(b"", b"")
