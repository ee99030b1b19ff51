# SPDX-License-Identifier: GPL-2.0-or-later
"""Forms of packets and messages: the same for everybody who reads the journal."""

from __future__ import annotations

import pytest

from collector import forms, hep
from collector.causes import Cause
from collector.hep import Hep
from tests.collector.test_protobuf import message
from tests.sender import Sender
from tests.senders import OPENSIPS, SENDERS
from tests.sip_text import packet, request


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_the_packets_of_every_sender(sender: Sender) -> None:
    """Each is decoded, in Protobuf as well."""
    assert isinstance(forms.decode(sender.packet), Hep)


def test_what_is_nothing() -> None:
    """The causes are those of the codec."""
    assert forms.decode(b"INVITE sip:a SIP/2.0\r\n") is Cause.NOT_HEP
    assert forms.decode(b"HEP3\0\xff") is Cause.HEP_LENGTH
    assert isinstance(forms.decode(message()), Hep)


def test_a_message_within_json_is_found() -> None:
    """OpenSIPS with homer5_on=0: the JSON is only its wrapping."""
    for sender in OPENSIPS:
        decoded = forms.decode(sender.packet)
        assert isinstance(decoded, Hep)
        unwrapped, found = forms.extract(decoded)
        assert (found is None) == (decoded.type != hep.TYPE_SIP)
        if found:
            assert found.method == b"INVITE"
            assert unwrapped.payload.startswith(b"INVITE ")
            assert unwrapped._replace(payload=decoded.payload) == decoded


@pytest.mark.parametrize(
    ("payload", "number", "empty"),
    [
        (b"\r\n\r\n", hep.TYPE_SIP, True),
        (b"", hep.TYPE_PING, True),
        (b"x", hep.TYPE_PING, True),
        (request(), hep.TYPE_SIP, False),
        (b" ", hep.TYPE_LOG, False),
    ],
)
def test_keepalives(payload: bytes, number: int, empty: bool) -> None:
    """A blank line of a log is a line."""
    decoded = forms.decode(packet(payload, type=number))
    assert isinstance(decoded, Hep)
    assert forms.is_keepalive(decoded) == empty
