# SPDX-License-Identifier: GPL-2.0-or-later
"""Codes, header values and times in words; text of strangers without what it could do."""

from __future__ import annotations

from typing import Final

import pytest

from collector.explain.message import Message, from_row
from collector.explain.words import (
    MAX_QUOTED,
    cause_words,
    quote,
    span,
    status_words,
    uri_of,
    warning_words,
)
from tests.sip_text import with_headers

_OK: Final = b"SIP/2.0 200 OK"


def _message(*headers: bytes) -> Message:
    return from_row({"raw": with_headers(*headers, start=_OK), "status": 200})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"Q.850;cause=16", "Q.850 cause 16, normal clearing"),
        (b'q.850 ; cause = 17 ; text="User Busy"', "Q.850 cause 17, user busy"),
        (b'Q.850;cause=31;text="x"', 'Q.850 cause 31, normal, unspecified, "x"'),
        (b"Q.850;cause=126", "Q.850 cause 126"),
        (b'SIP;cause=200;text="Call completed elsewhere"', 'SIP cause 200, "Call completed el'),
        (b"SIP;text=later", 'SIP, "later"'),
        (b"nonsense", "NONSENSE"),
        (b"Q.850;cause=99999", "Q.850"),
    ],
)
def test_reason_in_words(value: bytes, words: str) -> None:
    """RFC 3326."""
    said = cause_words(_message(b"Reason: " + value))
    assert said.startswith(words)


def test_several_reasons() -> None:
    """Gateways send both the SIP and the ISDN cause."""
    message = _message(b"Reason: SIP;cause=480", b"Reason: Q.850;cause=20")
    assert cause_words(message) == "SIP cause 480; Q.850 cause 20, subscriber absent"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b'399 host "Do not \\"disturb\\""', '399 "Do not \\"disturb\\""'),
        (b"not a warning", '"not a warning"'),
    ],
)
def test_warning_in_words(value: bytes, words: str) -> None:
    """RFC 3261 §20.43."""
    assert warning_words(_message(b"Warning: " + value)) == words


def test_no_reason_says_nothing() -> None:
    """Neither of them."""
    assert cause_words(_message()) == warning_words(_message()) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0204, "20 ms"),
        (32.04, "32.0 s"),
        (60, "1 min"),
        (119.7, "2 min"),
        (1768, "29 min 28 s"),
        (3600, "1 h"),
        (9000, "2 h 30 min"),
        (-0.5, "minus 500 ms"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    """As people say them."""
    assert span(seconds) == words


def test_quoted_text_is_harmless() -> None:
    """No control characters, nothing that turns the writing round, no novels."""
    assert quote("a\x1b[31m\r\nb\u202ec\0") == '"a [31m  b c "'
    assert len(quote("x" * 10_000, marks=False)) == MAX_QUOTED


def test_status_without_a_phrase() -> None:
    """HTTP shares some; others stay numbers."""
    assert status_words(from_row({"status": 404})) == "404 Not Found"
    assert status_words(from_row({"status": 699})) == "699"


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ('"Bob, <x>" <sip:bob@host;user=phone?Replaces=1>;q=1', "sip:bob@host;user=phone"),
        ("sip:bob@host;q=0.5, sip:c@d", "sip:bob@host"),
        ("tel:+1-201", "tel:+1-201"),
        ("", ""),
    ],
)
def test_uris_of_headers(value: str, uri: str) -> None:
    """Without names, parameters of the header and escaped headers."""
    assert uri_of(value) == uri
