# SPDX-License-Identifier: GPL-2.0-or-later
"""The ping of an agent with a password."""

from __future__ import annotations

import pytest

from agent.flags.options import read_options
from agent.sending.ping import PAYLOAD, ping
from collector import forms, hep
from collector.hep import Hep


def test_it_carries_password_and_names_and_nothing_else() -> None:
    """Type 0, no addresses, no time."""
    packet = hep.decode(ping(read_options(["-hp", "secret", "-hn", "edge", "-hi", "7"])))
    assert packet == Hep(
        *(3, 0, b"", b"", 0, 0, 0, 0, 0, 7, b"HEP3\x03\n"), node_name=b"edge", auth_key=b"secret"
    )
    assert isinstance(packet, Hep)
    assert forms.is_keepalive(packet)


@pytest.mark.parametrize("flags", [[], ["-hn", "edge"]])
def test_without_a_password_there_is_none(flags: list[str]) -> None:
    """As heplify."""
    assert ping(read_options(flags)) == b""
    assert PAYLOAD[:4] in hep.MAGICS
