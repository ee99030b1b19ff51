# SPDX-License-Identifier: GPL-2.0-or-later
"""Censored bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import sip
from collector.selection.censor import Censor
from tests.sip_text import request

CENSOR = Censor(["message"])


def _apply(payload: bytes) -> bytes:
    return CENSOR.apply(payload, sip.extract(payload))


def test_the_body_is_covered_byte_for_byte() -> None:
    """So that lengths and Content-Length still fit."""
    body = "meet me at nine, Jörg".encode()
    message = request("MESSAGE", body=body)
    covered = _apply(message)
    assert covered == message[: -len(body)] + b"x" * len(body)


def test_responses_are_covered_as_well() -> None:
    """By the method of their CSeq."""
    message = request("MESSAGE", body=b"secret").replace(
        b"MESSAGE sip:bob@example.com SIP/2.0", b"SIP/2.0 200 OK"
    )
    assert b"secret" not in _apply(message)


def test_other_methods_are_left_alone() -> None:
    """Not one byte is copied."""
    message = request("INVITE", body=b"v=0\r\n")
    assert _apply(message) is message


@pytest.mark.parametrize(
    ("message", "covered"),
    [
        (b"\r\n\r\nMESSAGE sip:a SIP/2.0\nCSeq: 1 MESSAGE\n\nhi", b"hi"),
        (b"MESSAGE sip:a SIP/2.0\r\nCSeq: 1 MESSAGE\r\nsecret", b"secret"),
        (b"MESSAGE sip:a SIP/2.0", b""),
    ],
)
def test_odd_forms(message: bytes, covered: bytes) -> None:
    """Leading empty lines, bare LF, and no empty line at all."""
    found = _apply(message)
    assert len(found) == len(message)
    assert found.startswith(message.lstrip(b"\r\n")[:21]) or found[:2] == b"\r\n"
    assert not covered or covered not in found


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_no_byte_of_a_body_comes_through(head: bytes, body: bytes) -> None:
    """Whatever the headers are."""
    start = b"MESSAGE sip:a@b SIP/2.0\r\nX: " + head.replace(b"\n", b"") + b"\r\n\r\n"
    found = _apply(start + body)
    assert len(found) == len(start) + len(body)
    if sip.extract(start + body).method == b"MESSAGE":
        assert set(found[len(start) :]) <= set(b"x")
