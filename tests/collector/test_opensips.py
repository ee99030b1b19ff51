# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON of OpenSIPS with ``homer5_on=0``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import opensips
from tests.hep_bytes import OPENSIPS_CORRELATION, OPENSIPS_JSON, SIP


def test_the_message_within() -> None:
    """With its line ends."""
    assert opensips.message(OPENSIPS_JSON) == SIP


def test_the_call_id_among_the_correlations() -> None:
    """Connections have ids, too."""
    assert opensips.correlation_id(OPENSIPS_CORRELATION) == b"call-1"
    assert opensips.correlation_id(b'{"net":"7012"}') == b""


@pytest.mark.parametrize(
    "text", [b"J\xfcrgen", b"\xff\xfe", "Jürgen".encode(), "Jürgen \xfc".encode()]
)
def test_bytes_that_are_no_utf8_come_through(text: bytes) -> None:
    """cJSON copies them as they are."""
    assert opensips.message(b'{"payload":"%s"}' % text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"{",
            b"{}",
            b"[]",
            b"null",
            b'{"payload":null}',
            b'{"payload":7}',
            b'{"other":"x"}',
        ),
        b'{"payload":"%s"}' % (b"x" * opensips.MAX_TEXT),
        *(b'{"payload":"\\ud800"}', b'{"payload":' * 3000, b"\xff{}", SIP),
    ],
)
def test_what_has_no_message_gives_none(text: bytes) -> None:
    """Nested too deep, cut off, of another type, or not JSON at all."""
    assert opensips.message(text) == b""


@given(st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    """Never an exception."""
    for candidate in (text, b"{" + text, b'{"payload":"' + text + b'"}'):
        assert isinstance(opensips.message(candidate), bytes)
        assert isinstance(opensips.correlation_id(candidate), bytes)
