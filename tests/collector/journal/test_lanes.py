# SPDX-License-Identifier: GPL-2.0-or-later
"""Lanes: which writer a packet goes to, and who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import settings
from collector.causes import Cause
from collector.journal import segment
from collector.journal.counters import NO_LANE, SLOTS, Counters, Field, cause_counts
from collector.journal.lanes import Home, Lanes, lanes_of
from collector.journal.reader import Reader
from tests.fix_journal import PEER, OpenWriter, append

COUNT = 2


@pytest.fixture
def lanes(open_writer: OpenWriter) -> Lanes:
    """Two lanes."""
    return Lanes(COUNT, lambda lane: open_writer(lane=lane))


@pytest.fixture
def counters(journal: Path) -> Iterator[Counters]:
    """The journal's counters."""
    opened = Counters(journal)
    yield opened
    opened.close()


@pytest.fixture
def readers(journal: Path, counters: Counters) -> Iterator[list[Reader]]:
    """Two reading processes, the first with the first lane."""
    made = [Reader(journal, counters) for _ in range(COUNT)]
    yield made
    for reader in made:
        reader.close()


def _message(call_id: str, header: str = "Call-ID: ", end: str = "\r\n") -> bytes:
    return (
        f"HEP3...INVITE sip:x SIP/2.0{end}{header}{call_id}{end}CSeq: 1 INVITE{end}{end}".encode()
    )


def _journaled(lanes: Lanes, counters: Counters) -> list[int]:
    return [counters.slot(writer.slot)[Field.JOURNALED] for writer in lanes.writers]


def _append(lanes: Lanes, packet: bytes) -> None:
    assert lanes.append(packet, PEER, 9060, 0) is None


@pytest.mark.parametrize(
    "packets",
    [
        [_message("a84b4c76e66710@pc33.atlanta.example.com")] * 9,
        [_message("abc@x", header) for header in ("Call-ID: ", "Call-ID:", "i: ", "Call-ID:\t")],
        [_message("abc@x", end=end) for end in ("\r\n", "\n")],
    ],
)
def test_the_messages_of_a_call_are_in_one_lane(
    lanes: Lanes, counters: Counters, packets: list[bytes]
) -> None:
    """However the header is written, as long as it is one of the usual ways."""
    for packet in packets:
        _append(lanes, packet)
    assert sorted(_journaled(lanes, counters)) == [0, len(packets)]


def test_calls_are_spread_over_the_lanes(lanes: Lanes, counters: Counters) -> None:
    """About evenly."""
    for number in range(400):
        _append(lanes, _message(f"{number}@x"))
    assert min(_journaled(lanes, counters)) > 150


@pytest.mark.parametrize(
    "packet", [b"", b"HEP3", b"\x80\xc8rtcp", b"x\nCall-ID:", _message("y", "CALL-ID: ")]
)
def test_any_packet_has_a_lane(lanes: Lanes, counters: Counters, packet: bytes) -> None:
    """Without a Call-ID that is seen at once they take turns, or all go to one."""
    for _ in range(10):
        _append(lanes, packet)
    assert sum(_journaled(lanes, counters)) == 10


def test_one_lane_is_none(open_writer: OpenWriter, counters: Counters) -> None:
    """Then the readers share the segments."""
    lanes = Lanes(1, lambda lane: open_writer(lane=lane))
    _append(lanes, _message("a"))
    assert counters.slot(lanes.slot)[Field.LANE] == NO_LANE


def test_drops_are_counted_and_say_why(lanes: Lanes, counters: Counters) -> None:
    """By the writer of the packet's lane."""
    lanes.drop(Cause.UNREADABLE)
    for writer in lanes.writers:
        writer._max_bytes = 0
        writer._offset = writer._segment_bytes
    assert lanes.append(_message("a"), PEER, 9060, 0) is Cause.JOURNAL_FULL
    assert "journal.max_bytes" in lanes.last_error
    dropped = [cause_counts(counters.slot(writer.slot)) for writer in lanes.writers]
    assert {cause: count for counts in dropped for cause, count in counts.items()} == {
        Cause.UNREADABLE: 1,
        Cause.JOURNAL_FULL: 1,
    }


def test_a_reader_takes_all_of_its_own_lane(
    lanes: Lanes, open_writer: OpenWriter, readers: list[Reader]
) -> None:
    """Of all workers, and leaves the others alone while their readers live."""
    other = Lanes(COUNT, lambda lane: open_writer(lane=lane))
    for reader in readers:
        while reader.claim_next():
            pass
    slots = [{claim.segment.slot for claim in reader.claims} for reader in readers]
    assert slots == [
        {lanes.writers[number].slot, other.writers[number].slot} for number in range(COUNT)
    ]


@pytest.mark.usefixtures("lanes")
def test_a_lane_without_a_reader_is_read_by_the_others(readers: list[Reader]) -> None:
    """When a process ends, and before its successor is there."""
    readers.pop().close()
    (left,) = readers
    while left.claim_next(COUNT):
        pass
    assert len(left.claims) == COUNT


def test_what_a_reader_does_not_manage_the_others_take(
    lanes: Lanes, open_writer: OpenWriter, readers: list[Reader]
) -> None:
    """Segments that have ended before their reader came to them."""
    writer = open_writer(lane=1, segment_bytes=1 << 16)
    append(writer, *[b"x" * 60_000] * 6)
    assert readers[0].claim_next(COUNT)
    while readers[1].claim_next(COUNT):
        pass
    taken = [claim.segment for claim in readers[1].claims]
    assert {found.slot for found in taken} == {lanes.writers[1].slot, writer.slot}
    assert all(found.records for found in taken if found.slot == writer.slot)


def test_the_listeners_segments_are_anybodys(
    lanes: Lanes, open_writer: OpenWriter, readers: list[Reader]
) -> None:
    """They have no lane: one reader takes them although it has its own, and the other does not."""
    listener = open_writer()
    for reader in readers:
        while reader.claim_next(COUNT):
            pass
    claims = [claim.segment.slot for reader in readers for claim in reader.claims]
    assert sorted(claims) == sorted([*(writer.slot for writer in lanes.writers), listener.slot])


def test_every_reader_has_a_home_of_its_own(journal: Path) -> None:
    """The first that is free, again when it was given back."""
    journal.mkdir()
    homes = [Home(journal) for _ in range(3)]
    assert [home.lane for home in homes] == [1, 2, 3]
    assert homes[0].is_read_by_another(2)
    assert not homes[0].is_read_by_another(4)
    homes[1].close()
    assert not homes[0].is_read_by_another(2)
    again = Home(journal)
    assert again.lane == 2
    for home in (homes[0], homes[2], again):
        home.close()
    assert segment.slot_directories(journal) == []


@pytest.mark.parametrize(
    ("workers", "sockets", "processes", "expected"),
    [
        *((2, 1, 2, 2), (4, 1, 1, 1), (2, 1, 0, 1)),
        *((8, 1, 4, 4), (8, 2, 4, 3), (16, 1, 4, 3), (32, 1, 4, 1)),
    ],
)
def test_as_many_lanes_as_processes_while_there_are_slots(
    workers: int, sockets: int, processes: int, expected: int
) -> None:
    """One per ingest process, for each worker of each UDP socket."""
    udp = [f"udp:127.0.0.1:{9060 + number}" for number in range(sockets)]
    listen = ", ".join(f'"{item}"' for item in (*udp, "tcp:127.0.0.1:9060"))
    environment = {
        "KEMISCOPE_HEP_WORKERS": str(workers),
        "KEMISCOPE_HEP_LISTEN": f"[{listen}]",
        "KEMISCOPE_INGEST_PROCESSES": str(processes),
    }
    lanes = lanes_of(settings.load(None, environment))
    assert lanes == expected
    assert workers * sockets * lanes + processes < SLOTS
    alone = environment | {"KEMISCOPE_CORRELATION_CALLS": "false"}
    assert lanes_of(settings.load(None, alone)) == 1
