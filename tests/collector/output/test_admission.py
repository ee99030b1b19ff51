# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs read what ingest reads: the same senders, the same forms."""

from __future__ import annotations

import pytest

from collector import forms, hep, hop, settings
from collector.causes import Cause
from collector.framing import Framer
from collector.hep import Hep
from collector.hop import Batch, Options
from collector.journal import record
from collector.journal.record import Record
from collector.output.fate import Fate
from collector.output.kpi import Figures
from collector.output.loki_line import Line, LineMaker
from collector.output.wire import Wire
from collector.peers import Peers
from collector.selection import Selection
from tests.collector.test_protobuf import message
from tests.fuzz import corpus

ARRIVAL = 1_800_000_000_000_000_000
PACKETS = corpus.seeds()
LOADED = settings.load(
    None, {"KEMISCOPE_CONFIG": "/dev/null", "KEMISCOPE_LOKI_TYPES": ",".join(map(str, range(256)))}
)


def _record(data: bytes) -> Record:
    return Record(ARRIVAL, bytes(16), 9060, 0, data, 0)


@pytest.mark.parametrize("name", PACKETS)
def test_every_sender_reaches_every_output(name: str) -> None:
    """What ingest stores is a line, is counted and is relayed; what it rejects is not."""
    data = PACKETS[name]
    batch = Batch()
    hop.encode(record.pack(ARRIVAL, bytes(16), 9060, 0, data), batch, Options(), 1)
    (cause,) = (cause for cause in Cause if batch.causes[cause])
    selection = Selection(LOADED)
    line = LineMaker(LOADED, selection).make(_record(data))
    counted = Figures(Peers(()), selection, 100).add(_record(data))
    sent = Wire(stream=True).encode(_record(data))
    match cause:
        case Cause.STORED:
            assert isinstance(line, Line)
            assert counted is Fate.DELIVERED
            assert isinstance(sent, bytes)
            assert Framer().feed(sent) == [sent]
        case Cause.KEEPALIVE:
            assert line is counted is Fate.KEEPALIVE
            assert isinstance(sent, bytes)
        case _:
            assert line is counted is Fate.MALFORMED


def test_a_line_has_the_message_and_not_its_wrapping() -> None:
    """OpenSIPS' JSON around a message is no line that anybody could search."""
    line = LineMaker(LOADED, Selection(LOADED)).make(_record(PACKETS["OpenSIPS homer5_on=0"]))
    assert isinstance(line, Line)
    assert line.text.startswith("INVITE ")
    assert "INVITE" in line.labels


@pytest.mark.parametrize("password", [b"", b"theirs"])
def test_the_password_of_a_packet_in_protobuf_stays_here(password: bytes) -> None:
    """Whatever becomes of its form."""
    before = forms.decode(message())
    assert isinstance(before, Hep)
    assert before.auth_key
    for stream, version in ((False, hep.VERSION_PROTOBUF), (True, 3)):
        sent = Wire(stream=stream, password=password).encode(_record(message()))
        assert isinstance(sent, bytes)
        assert before.auth_key not in sent
        assert forms.decode(sent) == before._replace(version=version, auth_key=password)
    kept = Wire(stream=False, pass_on_password=True).encode(_record(message()))
    assert kept == message()


def test_two_families_are_not_one_packet() -> None:
    """Protobuf can say so, HEP3 cannot."""
    assert Wire(stream=True).encode(_record(message({4: b"2001:db8::1"}))) is Fate.MALFORMED
