# SPDX-License-Identifier: GPL-2.0-or-later
"""What a share link leaves out of a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapi.names.shared_call import without_credentials

SECRET = b'Digest username="a", nonce="n", response="0123"'


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization: " + SECRET,
        b"authorization:" + SECRET,
        b"PROXY-AUTHORIZATION \t: " + SECRET,
        b"Proxy-Authorization: Digest\r\n " + SECRET + b"\r\n\tmore=0123",
        b"Authorization:\r\n " + SECRET,
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_credentials_are_covered(header: bytes, end: bytes) -> None:
    """However they are written (RFC 3261 §7.3.1); everything else stays."""
    before, after = b"REGISTER sip:x SIP/2.0" + end + b"Via: v", b"To: 0123" + end + end + b"body"
    covered = without_credentials(before + end + header.replace(b"\r\n", end) + end + after)
    name = header.partition(b":")[0]
    assert covered == before + end + name + b": ***" + end + after


@given(st.binary().filter(lambda raw: b"uthorization" not in raw.lower()))
def test_what_has_none_stays_as_it_is(raw: bytes) -> None:
    """Byte for byte."""
    assert without_credentials(raw) == raw
