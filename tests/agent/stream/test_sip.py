# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of what is SIP in the payload of a datagram."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.stream.sip import find

OPTIONS = b"OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n%s 1 OPTIONS\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [b"CSeq:", b"Cseq:", b"CSEQ:", b"cseq:", b"CSeq :", b"cSEQ\t :", b"CSeq  :"],
)
def test_cseq_in_any_case_and_spacing(header: bytes) -> None:
    """heplify knows two spellings."""
    assert find(OPTIONS % header) == 0


def test_what_has_no_cseq_is_no_sip() -> None:
    """However much it looks like it."""
    assert find(OPTIONS.replace(b"%s", b"X-Seq:")) == -1
    assert find(b"") == -1
    assert find(b"\r\n\r\n") == -1
    assert find(b"\x80\x08" + b"\xd5" * 160) == -1


def test_sip0_prefix_is_cut() -> None:
    """Everything up to it and itself, if CSeq comes behind byte 16."""
    message = OPTIONS % b"CSeq:"
    prefix = b"\x01\x02anySip0"
    assert find(prefix + message) == len(prefix)
    odd = OPTIONS % b"CSEQ:"
    assert find(prefix + odd.replace(b"Via", b"Require: eq\r\nVia")) == len(prefix)
    assert find(b"Sip0 CSeq: 1 A\r\n") == 0


def test_sip0_within_a_message_is_not_cut() -> None:
    """Only in front of CSeq it is a prefix."""
    assert find(OPTIONS % b"CSeq:" + b"Sip0") == 0


def test_bytes_in_front_do_not_matter() -> None:
    """Empty lines, or a header of another protocol, as in heplify."""
    message = OPTIONS % b"CSeq:"
    assert find(b"\r\n" + message) == 0
    assert find(b"\xff\x00\x00" + message) == 0


@given(st.binary(max_size=200))
def test_any_bytes(payload: bytes) -> None:
    """Nothing raises, and the answer lies within."""
    assert -1 <= find(payload) <= len(payload)


def test_random_media_is_no_sip() -> None:
    """First byte 128, as in RTP."""
    media = random.Random(7)
    assert all(find(b"\x80" + media.randbytes(171)) == -1 for _ in range(100))
