# SPDX-License-Identifier: GPL-2.0-or-later
"""What a relay target gets, with the packets of every sender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep
from collector.framing import Framer
from collector.hep import MAX_PACKET, Hep
from collector.journal.record import Record
from collector.output.fate import Fate
from collector.output.wire import MAX_DATAGRAM, Wire
from collector.selection.passwords import Passwords
from tests.hep_bytes import SENDERS, SIP, Expected, chunk, hep1, hep2, hep3, u8
from tests.sip_text import packet, request

ARRIVAL = 1_800_000_000_123_456_000
EACH = pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.sender)


def _record(data: bytes) -> Record:
    return Record(ARRIVAL, bytes(16), 9060, 0, data, 0)


def _decoded(wire: Wire, data: bytes) -> Hep:
    sent = wire.encode(_record(data))
    assert isinstance(sent, bytes)
    found = hep.decode(sent)
    assert isinstance(found, Hep)
    return found


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_passed_on_with_its_password_a_packet_is_the_same(sender: Expected, stream: bool) -> None:
    """Byte for byte; only a stream cannot carry HEPv1 and v2."""
    wire = Wire(stream=stream, pass_on_password=True)
    if sender.version == 3 or not stream:
        assert wire.encode(_record(sender.data)) == sender.data


@EACH
def test_the_senders_password_is_taken_out(sender: Expected) -> None:
    """Everything else stays, chunks of other vendors and unknown numbers included."""
    wire = Wire(stream=False)
    sent = wire.encode(_record(sender.data))
    if sender.auth_key:
        assert sent == _without(sender.data, 0x0E)
        assert sender.auth_key not in sent
    else:
        assert sent == sender.data


@EACH
def test_the_targets_password_takes_its_place(sender: Expected) -> None:
    """In every HEP3 packet, whether the sender had one or not."""
    wire = Wire(stream=True, password=b"theirs")
    before = hep.decode(sender.data)
    assert isinstance(before, Hep)
    after = _decoded(wire, sender.data)
    assert after.auth_key == b"theirs"
    as_before = after._replace(
        auth_key=before.auth_key,
        version=before.version,
        seconds=before.seconds,
        microseconds=before.microseconds,
    )
    assert as_before == before


@EACH
def test_a_stream_of_all_of_them_can_be_framed(sender: Expected) -> None:
    """Each is a HEP3 packet of its own; the time is the sender's where it sent one."""
    sent = Wire(stream=True).encode(_record(sender.data))
    assert isinstance(sent, bytes)
    framer = Framer()
    assert framer.feed(sent + sent) == [sent, sent]
    assert framer.error is None
    before, after = hep.decode(sender.data), hep.decode(sent)
    assert isinstance(before, Hep)
    assert isinstance(after, Hep)
    if sender.timed:
        assert (after.seconds, after.microseconds) == (before.seconds, before.microseconds)
    else:
        assert (after.seconds, after.microseconds) == (1_800_000_000, 123_456)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"H", b"HEP3", b"HEP3\0\6x", b"HEP3\xff\xff", b"INVITE sip:a SIP/2.0\r\n", b"\1"),
        hep1()[:15],
        hep2()[:27],
        hep3(b"\0\0\0\x0e\0\5"),
        hep3(b"\0\0\0\x0e\0\xff"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_hep_is_not_relayed(data: bytes, stream: bool) -> None:
    """It would break the frames of a stream, and is of no use to anybody."""
    assert Wire(stream=stream).encode(_record(data)) is Fate.MALFORMED


def test_types() -> None:
    """Where some are wanted, the others stay here."""
    wire = Wire(stream=False, types=frozenset({1, 100}))
    message, line = packet(request()), packet(b"a line", type=100)
    assert wire.encode(_record(message)) == message
    assert wire.encode(_record(packet(b"{}", type=5))) is Fate.TYPE
    assert wire.encode(_record(line)) == line
    assert wire.encode(_record(hep1())) == hep1()


def test_who_may_not_send_is_not_relayed() -> None:
    """A wrong password stays out here as it does in the database."""
    wire = Wire(stream=False, accepts=Passwords(["*:right"]).accepts)
    good, bad = (hep3(u8(11, 1), chunk(0x0E, key), chunk(0x0F, SIP)) for key in (b"right", b"no"))
    assert wire.encode(_record(good)) == _without(good, 0x0E)
    assert wire.encode(_record(bad)) is Fate.PASSWORD
    assert wire.encode(_record(hep1())) is Fate.PASSWORD


def test_what_does_not_fit() -> None:
    """Into a datagram, or into a HEP3 packet with the target's password."""
    overhead = len(hep3(chunk(0x0F, b"")))
    fits = hep3(chunk(0x0F, bytes(MAX_DATAGRAM - overhead)))
    longer = hep3(chunk(0x0F, bytes(MAX_PACKET - overhead)))
    assert Wire(stream=False).encode(_record(fits)) == fits
    assert Wire(stream=False).encode(_record(longer)) is Fate.TOO_LARGE
    assert Wire(stream=True).encode(_record(longer)) == longer
    assert Wire(stream=True, password=b"x").encode(_record(longer)) is Fate.TOO_LARGE
    assert Wire(stream=True).encode(_record(hep1(bytes(MAX_PACKET)))) is Fate.TOO_LARGE


@given(data=st.binary(max_size=80), stream=st.booleans(), password=st.sampled_from([b"", b"p"]))
def test_nothing_raises(data: bytes, stream: bool, password: bytes) -> None:
    """Whatever the journal holds; what a stream gets can be framed."""
    for body in (data, hep3(data), b"\1" + data, b"\2\x10\2" + data):
        sent = Wire(stream=stream, password=password).encode(_record(body))
        if stream and isinstance(sent, bytes):
            assert Framer().feed(sent) == [sent]


def _without(data: bytes, number: int) -> bytes:
    parts = []
    position = 6
    while position < len(data):
        end = position + int.from_bytes(data[position + 4 : position + 6])
        if data[position : position + 4] != number.to_bytes(4):
            parts.append(data[position:end])
        position = end
    return data[:4] + (6 + sum(map(len, parts))).to_bytes(2) + b"".join(parts)
