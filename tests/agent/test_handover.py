# SPDX-License-Identifier: GPL-2.0-or-later
"""A message as HEP in the journal: whole, compressed if it must be, or counted."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import pytest

from agent.count import Count
from agent.counts import Rows
from agent.handover import Handover, encode, largest_packet
from collector import forms, hep
from collector.hep import Hep
from collector.output.wire import MAX_DATAGRAM
from collector.settings.endpoint import Endpoint
from tests.fix_journal import OpenWriter, packets_of

_UDP: Final = Endpoint("udp", "192.0.2.1", 9060)
_TCP: Final = Endpoint("tcp", "192.0.2.1", 9060)
_TLS: Final = Endpoint("tls", "192.0.2.1", 9060)


def _message(payload: bytes) -> Hep:
    addresses = (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
    return Hep(3, 6, *addresses, 5060, 5070, 1_800_000_000, 5, 1, 2002, payload, node_name=b"a")


_EMPTY: Final = len(hep.encode(_message(b"")))


@pytest.mark.parametrize(
    ("servers", "largest"),
    [((_UDP,), MAX_DATAGRAM), ((_TCP, _TLS), hep.MAX_PACKET), ((_TCP, _UDP), MAX_DATAGRAM)],
)
def test_a_udp_server_gets_what_it_can_take(
    journal: Path, open_writer: OpenWriter, servers: tuple[Endpoint, ...], largest: int
) -> None:
    """And a TCP server beside it the same; chunk 0x10 begins where a datagram ends."""
    assert largest_packet(servers) == largest
    counts = Rows(1).row(0)
    handover = Handover(open_writer(), counts, servers)
    messages = [_message(b"x" * (largest - _EMPTY + more)) for more in (0, 1)]
    for message in messages:
        handover.put(message)
    assert packets_of(journal) == []
    handover.flush()
    plain, compressed = packets_of(journal)
    assert len(plain) == largest
    assert plain == hep.encode(messages[0])
    assert len(compressed) < 1000
    assert [hep.decode(plain), hep.decode(compressed)] == messages
    assert counts[Count.JOURNALED] == 2


def test_what_cannot_be_made_to_fit_is_counted(journal: Path, open_writer: OpenWriter) -> None:
    """Noise does not get smaller; and nobody inflates beyond a limit."""
    counts = Rows(1).row(0)
    handover = Handover(open_writer(), counts, (_UDP,))
    handover.put(_message(random.Random(1).randbytes(70_000)))
    handover.put(_message(b"x" * (hep.MAX_INFLATED + 1)))
    handover.flush()
    assert packets_of(journal) == []
    assert counts[Count.TOO_LARGE] == 2
    handover.put(_message(b"x" * hep.MAX_INFLATED))
    handover.flush()
    assert counts[Count.JOURNALED] == 1


def test_no_room_in_the_journal_is_counted(journal: Path, open_writer: OpenWriter) -> None:
    """The worker goes on."""
    counts = Rows(1).row(0)
    handover = Handover(open_writer(segment_bytes=1 << 12, max_bytes=1 << 13), counts, (_UDP,))
    for _ in range(20):
        handover.put(_message(b"x" * 1000))
    handover.flush()
    assert counts[Count.JOURNALED] == len(packets_of(journal)) > 0
    assert counts[Count.JOURNALED] + counts[Count.NO_ROOM] == 20


def test_a_compressed_packet_has_one_payload_chunk() -> None:
    """No empty chunk 0x0f beside 0x10: some receivers would take it for the payload."""
    data = encode(_message(b"x" * 70_000), MAX_DATAGRAM)
    assert data
    assert b"\0\0\0\x0f\0\x06" not in data
    assert b"\0\0\0\x10" in data


def test_a_message_knows_when_it_was_handed_over(open_writer: OpenWriter) -> None:
    """heplify_client_in_last_metric_timestamp."""
    rows = Rows(2)
    assert rows.last_message == 0
    handover = Handover(open_writer(), rows.row(1), (_UDP,))
    handover.put(_message(b"x"))
    handover.flush()
    assert rows.last_message > 1_600_000_000


def test_protobuf_is_what_is_sent(journal: Path, open_writer: OpenWriter) -> None:
    """-protobuf: each message so, and none that a datagram cannot hold."""
    counts = Rows(1).row(0)
    handover = Handover(open_writer(), counts, (_UDP,), as_protobuf=True)
    message = _message(b"x" * 1000)
    handover.put(message)
    handover.put(_message(b"x" * MAX_DATAGRAM))
    handover.flush()
    (packet,) = packets_of(journal)
    assert packet[:4] not in hep.MAGICS
    assert forms.decode(packet) == message._replace(version=hep.VERSION_PROTOBUF, node_name=b"")
    assert counts[Count.TOO_LARGE] == 1
