# SPDX-License-Identifier: GPL-2.0-or-later
"""Call-IDs in log lines and in rtpengine's control messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.message.syslog import MAX_CALL_ID, MAX_COOKIES, Cookies, call_id

HEAD = "<134>Nov 23 13:00:00 host rtpengine[7]"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("INFO: ID=«a b@x» tag", "a b@x"),
        ("ID=«a@x", "a@x"),
        ("ID=a@x the rest", "a@x"),
        ("ID=a@x\r\n", "a@x"),
        ("INFO: [«a@x» port 30000]: media", "a@x"),
        ("INFO: [«a@x»]: offer", "a@x"),
        ("INFO: [a@x port 30000]: media", "a@x"),
        ("INFO: [a@x]: offer", "a@x"),
        ("DEBUG: [«a@x»]: in the third form", "a@x"),
        ("DEBUG: [a@x]: no form", ""),
        ("no Call-ID at all", ""),
        ("ID=a x", ""),
        ("ID=", ""),
        (f"ID={79 * 'a'} x", 79 * "a"),
        (f"ID={80 * 'a'} x", ""),
        (f"ID=«{79 * 'a'}»", 79 * "a"),
        (f"ID=«{80 * 'a'}»", ""),
        (f"INFO: [{80 * 'a'}]: x", ""),
        ("SESSION_ID=a of another; INFO: [a@x]: offer", "a@x"),
    ],
)
def test_forms_of_rtpengine(line: str, expected: str) -> None:
    """2 to 79 bytes; when one form does not fit, the next is tried."""
    assert call_id(f"{HEAD}: {line}".encode()) == expected.encode()


PIECES = st.sampled_from(
    ["ID=«", "»", "ID=", ": [«", "» port ", "»]: ", "INFO: [", " port ", "]: ", " ", "abc"]
).map(str.encode)


@given(st.lists(PIECES | st.binary(max_size=90), max_size=20).map(b"".join))
def test_any_line_is_read(line: bytes) -> None:
    """Bytes that are in it, or none."""
    for found in (call_id(line), Cookies().call_id(b"cookie d7:call-id" + line)):
        assert found in line
        assert len(found) <= MAX_CALL_ID


def test_a_request_to_rtpengine_and_its_reply() -> None:
    """Only the request has a Call-ID; both have the cookie."""
    cookies = Cookies()
    request = b"5323_1 d7:call-id3:a@x7:command5:offer3:sdp5:v=0\r\ne"
    assert cookies.call_id(request) == b"a@x"
    assert cookies.call_id(b"other d6:result2:oke") == b""
    assert cookies.call_id(b"5323_1 d6:result2:oke") == b"a@x"
    assert cookies.call_id(b"5323_1 d6:result2:oke") == b"", "answered"


def test_control_messages_in_json() -> None:
    """Newer versions of rtpengine."""
    cookies = Cookies()
    assert cookies.call_id(b'9 {"command": "offer", "call-id" : "a@x"}') == b"a@x"
    assert cookies.call_id(b'9 {"result":"ok"}') == b"a@x"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nocookie",
        b"c d7:call-id",
        b"c d7:call-idx:a@xe",
        b"c d7:call-id99999:a@x",
        b"c d7:call-id1:ae",
        b'c {"call-id"}',
        b'c {"call-id": "a@x',
        b"d7:call-id3:a@xe",
    ],
)
def test_messages_without_a_call_id(message: bytes) -> None:
    """Cut off, damaged, or something else."""
    assert Cookies().call_id(message) == b""


def test_cookies_are_bounded() -> None:
    """The oldest is forgotten."""
    cookies = Cookies()
    for number in range(MAX_COOKIES + 1):
        cookies.call_id(b"%d d7:call-id3:a@xe" % number)
    assert cookies.call_id(b"0 d6:result2:oke") == b""
    assert cookies.call_id(b"1 d6:result2:oke") == b"a@x"
