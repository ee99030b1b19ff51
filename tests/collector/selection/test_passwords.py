# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture password."""

from __future__ import annotations

import pytest

from collector import hep
from collector.hep import Hep
from collector.selection.passwords import Passwords
from tests.hep_bytes import hep1
from tests.sip_text import packet, request


def _packet(capture_id: int, auth_key: bytes) -> Hep:
    found = hep.decode(packet(request(), capture_id=capture_id, auth_key=auth_key))
    assert isinstance(found, Hep)
    return found


@pytest.mark.parametrize(
    ("capture_id", "auth_key", "accepted"),
    [
        (2001, b"one:secret", True),
        (2001, b"two", False),
        (2001, b"", False),
        (2001, b"one:secret ", False),
        (7, b"two", True),
        (7, b"one:secret", False),
    ],
)
def test_each_capture_id_has_its_own(capture_id: int, auth_key: bytes, accepted: bool) -> None:
    """And the star stands for all others; a password may have colons."""
    passwords = Passwords(["2001:one:secret", "*:two"])
    assert passwords.accepts(_packet(capture_id, auth_key)) == accepted


def test_without_a_star_an_unknown_agent_is_refused() -> None:
    """Also with an empty password, and HEPv1, which cannot have one."""
    passwords = Passwords(["2001:secret"])
    assert not passwords.accepts(_packet(2002, b"secret"))
    assert not passwords.accepts(_packet(2002, b""))
    old = hep.decode(hep1())
    assert isinstance(old, Hep)
    assert not passwords.accepts(old)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("secret", "entry 2 must be like"),
        ("2001:", "entry 2 must be like"),
        ("", "entry 2 must be like"),
        ("edge:secret", "entry 2 begins with neither"),
        ("-1:secret", "entry 2 begins with neither"),
        ("4294967296:secret", "entry 2 begins with neither"),
    ],
)
def test_a_wrong_entry_is_named_without_showing_it(entry: str, message: str) -> None:
    """The error may end up in a log."""
    with pytest.raises(ValueError, match=message) as caught:
        Passwords(["1:x", entry])
    assert "secret" not in str(caught.value)
