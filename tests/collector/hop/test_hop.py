# SPDX-License-Identifier: GPL-2.0-or-later
"""Journal bytes in, COPY bytes and counts out: pure, complete and cut anywhere alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep, hop, settings
from collector.causes import CAUSES, Cause, Outcome
from collector.columns import TABLES
from collector.correlation.fact import ReportFact
from collector.hep import Hep
from collector.hop import CHALLENGED, RUN, Batch, Options
from collector.journal import record
from collector.selection import Selection
from collector.sip import Kind
from tests.copy_reader import Row, read_rows
from tests.hep_bytes import DST4, SENDERS, SIP, SRC4, chunk, hep1, hep2, hep3, u8, u32
from tests.quality_json import RTPENGINE_SR
from tests.sip_text import request

pytestmark = pytest.mark.usefixtures("hop_form")

PEER = record.pack_address("203.0.113.5")
NOW_US = 1_763_856_000_000_000
"""Time of arrival of the first packet, 2025-11-23."""
DAY_US = 86_400_000_000
OPTIONS = Options(
    accept_past=3 * DAY_US, accept_future=300_000_000, max_field_bytes=512, max_refused=100
)


def _packet(payload: bytes = SIP, *, at_us: int | None = NOW_US, **fields: Any) -> bytes:
    """A HEP3 packet; without a time when ``at_us`` is None."""
    seconds, micros = divmod(at_us or 0, 1_000_000)
    base = Hep(3, hep.PROTOCOL_UDP, SRC4, DST4, 5060, 5061, seconds, micros, 1, 2001, payload)
    return hep.encode(base._replace(**fields))


def _journal(*packets: bytes, peer: bytes = PEER, at_us: int = NOW_US) -> bytes:
    return b"".join(
        record.pack(at_us * 1000 + 64 * number, peer, 9060, 0, packet)
        for number, packet in enumerate(packets)
    )


def _hop(*packets: bytes, **options: Any) -> Batch:
    """``options`` beside the usual ones."""
    batch = Batch()
    buffer = _journal(*packets)
    consumed = hop.encode(buffer, batch, OPTIONS._replace(**options), len(packets))
    assert consumed == len(buffer)
    assert batch.records == len(packets)
    return batch


def _rows(batch: Batch) -> list[Row]:
    return [
        row
        for table, rows in zip(TABLES, batch.rows, strict=True)
        for row in read_rows(rows.data, table.columns)
    ]


def _causes(batch: Batch) -> dict[Cause, int]:
    return {cause: count for cause in CAUSES if (count := batch.causes[cause])}


def test_messages_go_to_the_table_of_their_kind() -> None:
    """In the order of arrival."""
    batch = _hop(*(_packet(request(method)) for method in ("INVITE", "REGISTER", "OPTIONS", "BYE")))
    methods = [[row["method"] for row in read_rows(batch.rows[kind].data)] for kind in Kind]
    assert methods == [["INVITE", "BYE"], ["REGISTER"], ["OPTIONS"]]
    assert len(batch.rows) == len(TABLES)
    assert _causes(batch) == {Cause.STORED: 4}


def test_a_row_has_the_time_of_the_sender_and_the_id_of_the_record() -> None:
    """And node, addresses and payload as HEP has them."""
    (row,) = _rows(_hop(_packet(at_us=NOW_US - 1_234_567)))
    assert row["ts"] == NOW_US - 1_234_567
    assert row["sender_ts"] is None
    assert row["id"] == NOW_US * 1000
    assert (row["node"], row["src_ip"], row["dst_port"]) == ("2001", "192.0.2.1", 5061)
    assert row["raw"] == SIP


@pytest.mark.parametrize(
    ("packet", "node"),
    [
        (_packet(node_name=b"edge-1"), "edge-1"),
        (_packet(capture_id=0), "0"),
        (_packet(capture_id=2**32 - 1), "4294967295"),
        (hep1(), "0"),
        (hep2(), "4660"),
    ],
)
def test_the_node_is_its_name_or_else_its_number(packet: bytes, node: str) -> None:
    """A number is all that most senders have."""
    assert _rows(_hop(packet))[0]["node"] == node


@pytest.mark.parametrize(
    ("offset", "accepted"),
    [
        (0, True),
        (-3 * DAY_US, True),
        (-3 * DAY_US - 1, False),
        (300_000_000, True),
        (300_000_001, False),
        (1_500_000 - NOW_US, False),  # 1970
        (4_080_000_000_250_000 - NOW_US, False),  # 2099
        ((2**32 - 1) * 1_000_000 + 999_999 - NOW_US, False),  # the last that HEP can say
    ],
)
def test_a_clock_that_is_far_off_is_kept_but_not_filed_by(offset: int, accepted: bool) -> None:
    """At the border it is still accepted, one µs further it is not."""
    batch = _hop(_packet(at_us=NOW_US + offset))
    (row,) = _rows(batch)
    assert row["ts"] == (NOW_US + offset if accepted else NOW_US)
    assert row["sender_ts"] == (None if accepted else NOW_US + offset)
    (sender,) = batch.senders.values()
    assert sender.clock_offset == offset


@pytest.mark.parametrize(
    ("method", "days", "accepted"),
    [("INVITE", 14, True), ("INVITE", 15, False), ("REGISTER", 4, False), ("OPTIONS", 5, True)],
)
def test_an_imported_file_is_filed_by_its_time_as_long_as_that_is_kept(
    method: str, days: int, accepted: bool
) -> None:
    """By kind, and by the name of its node alone: the clocks of other senders may be wrong."""
    kept = tuple(days * DAY_US for days in (14, 3, 5, 1, 9))
    sent = NOW_US - days * DAY_US
    for node, filed in ((b"import/a.pcap", accepted), (b"edge", False)):
        batch = _hop(_packet(request(method), at_us=sent, node_name=node), accept_imported=kept)
        (row,) = _rows(batch)
        assert (row["ts"], row["sender_ts"]) == ((sent, None) if filed else (NOW_US, sent))


def test_reports_of_an_imported_file_are_kept_by_their_own_rule() -> None:
    """Events and reports differ."""
    kept = tuple(days * DAY_US for days in (0, 0, 0, 5, 9))
    for kind, payload, past, filed in (
        (5, RTPENGINE_SR, 8, True),
        (100, b"a log line", 8, False),
        (100, b"a log line", 4, True),
    ):
        fields = {"type": kind, "node_name": b"import/x"}
        sent = NOW_US - past * DAY_US
        for row in _rows(_hop(_packet(payload, at_us=sent, **fields), accept_imported=kept)):
            assert row["ts"] == (sent if filed else NOW_US)


@pytest.mark.parametrize("packet", [_packet(at_us=None), hep1()])
def test_without_a_time_the_time_of_arrival_counts(packet: bytes) -> None:
    """No clock, no offset."""
    batch = _hop(packet)
    (row,) = _rows(batch)
    assert (row["ts"], row["sender_ts"]) == (NOW_US, None)
    assert [sender.clock_offset for sender in batch.senders.values()] == [0]


@pytest.mark.parametrize(
    ("micros", "accepted"), [(999_999, True), (2_000_000, True), (2**32 - 1, False)]
)
def test_microseconds_are_added_whatever_they_are(micros: int, accepted: bool) -> None:
    """More than a second of them is a sender's mistake, not an error of ours."""
    (row,) = _rows(_hop(_packet(seconds=NOW_US // 1_000_000, microseconds=micros)))
    assert row["sender_ts" if not accepted else "ts"] == NOW_US + micros


SELECTION = {Cause.PASSWORD, *(cause for cause in CAUSES if cause >= Cause.FILTER_ADDRESS)}
"""Decided by the settings: see test_selection."""
REFUSED = {
    Cause.NOT_HEP: [b"", b"x", b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", b"\x0a\x03abc"],
    Cause.HEP_LENGTH: [b"HEP3", hep3() + b"x", hep1()[:12], hep2()[:20]],
    Cause.HEP_CHUNK: [hep3(b"\0\0\0\x0f\0\0"), hep3(b"x")],
    Cause.HEP_FIELD: [hep3(chunk(7, b"x"))],
    Cause.HEP_FAMILY: [hep1(family=99)],
    Cause.HEP_INFLATE: [hep3(u8(11, 1), chunk(0x10, b"x"))],
}
FILTERED = {
    Cause.KEEPALIVE: [
        *(_packet(b"ping", type=0), hep3(), hep1(b""), hep1(b"\0"), _packet(b"\r\n\r\n")),
        *(_packet(b""), _packet(SIP, type=0)),
    ]
}


@pytest.mark.parametrize(
    ("cause", "packet"),
    [(cause, packet) for cause, packets in REFUSED.items() for packet in packets],
)
def test_every_refusal_has_its_cause(cause: Cause, packet: bytes) -> None:
    """It is counted, kept for the quarantine with its bytes, and no row."""
    batch = _hop(packet)
    assert _causes(batch) == {cause: 1}
    assert cause.outcome is Outcome.REJECTED
    assert _rows(batch) == []
    (refused,) = batch.refused
    assert refused == (NOW_US * 1000, PEER, 9060, cause, packet)
    (sender,) = batch.senders.values()
    assert (sender.packets, sender.rejected) == (1, 1)
    assert batch.stats == {}


@pytest.mark.parametrize("packet", FILTERED[Cause.KEEPALIVE])
def test_keepalives_are_counted_and_not_kept(packet: bytes) -> None:
    """They are nobody's mistake."""
    batch = _hop(packet)
    assert _causes(batch) == {Cause.KEEPALIVE: 1}
    assert (_rows(batch), batch.refused, batch.stats) == ([], [], {})
    (sender,) = batch.senders.values()
    assert (sender.packets, sender.rejected) == (1, 0)


def test_the_hop_gives_every_cause_that_is_decided_there() -> None:
    """The others belong to the door, the listener, the journal, the kernel and the store."""
    elsewhere = {cause for cause in CAUSES if cause.outcome is Outcome.DROPPED}
    elsewhere |= {Cause.STORE_REFUSED, *SELECTION}
    elsewhere |= {cause for cause in CAUSES if cause.label.startswith(("sender_", "stream_"))}
    assert {Cause.STORED, *REFUSED, *FILTERED} == set(CAUSES) - elsewhere


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_only_so_many_refused_packets_are_kept(limit: int) -> None:
    """All are counted."""
    batch = _hop(*[b"noise %d" % number for number in range(5)], max_refused=limit)
    assert _causes(batch) == {Cause.NOT_HEP: 5}
    assert [item.packet for item in batch.refused] == [b"noise %d" % n for n in range(limit)]


def test_senders_are_told_apart() -> None:
    """By peer, node and version; the last packet of each is known."""
    other = record.pack_address("203.0.113.6")
    batch = Batch()
    buffer = _journal(
        _packet(), _packet(node_name=b"n"), hep1(), _packet(at_us=NOW_US + 5), b"noise"
    ) + _journal(_packet(), b"noise", peer=other, at_us=NOW_US + 1_000_000)
    hop.encode(buffer, batch, OPTIONS, 100)
    assert set(batch.senders) == {
        *((PEER, b"2001", 3), (PEER, b"n", 3), (PEER, b"0", 1), (PEER, b"", 0)),
        *((other, b"2001", 3), (other, b"", 0)),
    }
    first = batch.senders[PEER, b"2001", 3]
    assert (first.packets, first.rejected) == (2, 0)
    assert first.last_id == NOW_US * 1000 + 3 * 64
    assert first.clock_offset == 5
    noise = batch.senders[PEER, b"", 0]
    assert (noise.packets, noise.rejected) == (1, 1)


def test_statistics_count_by_minute_node_method_and_class() -> None:
    """Messages and their bytes."""
    minute = NOW_US // 60_000_000
    response = b"SIP/2.0 486 Busy\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"
    challenge = response.replace(b"486 Busy", b"407 Who are you?")
    batch = _hop(
        *(_packet(SIP), _packet(SIP), _packet(SIP, at_us=NOW_US - 60_000_000)),
        *(_packet(response), _packet(SIP, node_name=b"n"), _packet(b"junk that is not SIP")),
        _packet(challenge),
    )
    found = {key: (tally.messages, tally.octets) for key, tally in batch.stats.items()}
    assert found == {
        (minute, b"2001", b"OPTIONS", 0): (2, 2 * len(SIP)),
        (minute - 1, b"2001", b"OPTIONS", 0): (1, len(SIP)),
        (minute, b"2001", b"INVITE", 4): (1, len(response)),
        (minute, b"2001", b"INVITE", CHALLENGED): (1, len(challenge)),
        (minute, b"n", b"OPTIONS", 0): (1, len(SIP)),
        (minute, b"2001", b"", 0): (1, 20),
    }


def test_a_message_that_is_no_sip_is_stored_and_marked() -> None:
    """HEP said that it is SIP, so somebody wants to see it."""
    batch = _hop(_packet(b"junk that is not SIP"))
    (row,) = read_rows(batch.rows[Kind.OTHER].data)
    assert (row["fault"], row["raw"]) == ("start_line", b"junk that is not SIP")
    assert _causes(batch) == {Cause.STORED: 1}


def test_the_range_of_times_is_told_per_table() -> None:
    """That is which partitions are needed."""
    batch = _hop(
        *(_packet(request(), at_us=NOW_US + offset) for offset in (5, -7, 0)),
        _packet(request("REGISTER"), at_us=NOW_US + 3),
    )
    assert [(rows.first_ts, rows.last_ts) for rows in batch.rows[:2]] == [
        *((NOW_US - 7, NOW_US + 5), (NOW_US + 3, NOW_US + 3))
    ]
    assert batch.rows[Kind.OTHER].data == b""
    assert batch.rows[Kind.OTHER].first_ts > batch.rows[Kind.OTHER].last_ts


@pytest.mark.parametrize("count", [0, 1, RUN - 1, RUN, RUN + 1, 3 * RUN])
@pytest.mark.parametrize("limit", [1, RUN, RUN + 7, 10 * RUN])
def test_no_more_records_than_asked_for(count: int, limit: int) -> None:
    """Around the size of a run, too; what was not taken is left for the next batch."""
    buffer = _journal(*[_packet()] * count)
    batch = Batch()
    consumed = hop.encode(buffer, batch, OPTIONS, limit)
    assert batch.records == min(count, limit)
    assert consumed == batch.records * len(_journal(_packet()))
    assert len(_rows(batch)) == batch.records


def test_what_is_torn_or_damaged_is_left_where_it_is() -> None:
    """The caller decides what it is."""
    good = _journal(_packet())
    damaged = bytearray(good)
    damaged[50] ^= 1
    for rest in (b"", b"K", good[:-1], bytes(damaged) + good, b"x" * 500):
        batch = Batch()
        assert hop.encode(good * 3 + rest, batch, OPTIONS, 100) == 3 * len(good)
        assert batch.records == 3


_packets = st.lists(
    st.one_of(
        st.sampled_from([expected.data for expected in SENDERS]),
        st.builds(_packet, st.binary(max_size=40)),
        st.binary(max_size=60),
        st.sampled_from(["INVITE", "REGISTER", "OPTIONS"]).map(lambda m: _packet(request(m))),
    ),
    max_size=12,
)


@given(_packets, st.lists(st.integers(1, 5), min_size=12, max_size=12))
def test_batches_cut_anywhere_say_the_same(packets: list[bytes], sizes: list[int]) -> None:
    """One batch, or several one after the other: the same rows and counts, byte by byte."""
    buffer = _journal(*packets)
    whole = Batch()
    assert hop.encode(buffer, whole, OPTIONS, 1000) == len(buffer)
    one_by_one, offset = Batch(), 0
    parts: list[Batch] = []
    for size in sizes:
        offset += hop.encode(buffer[offset:], one_by_one, OPTIONS, size)
    assert offset == len(buffer)
    assert one_by_one == whole
    offset = 0
    for size in sizes:
        parts.append(Batch())
        offset += hop.encode(buffer[offset:], parts[-1], OPTIONS, size)
    for kind in Kind:
        assert b"".join(part.rows[kind].data for part in parts) == whole.rows[kind].data
    for cause in CAUSES:
        assert sum(part.causes[cause] for part in parts) == whole.causes[cause]
    assert [item for part in parts for item in part.refused] == whole.refused


@given(_packets)
def test_the_same_bytes_give_the_same_batch(packets: list[bytes]) -> None:
    """Nothing in it reads a clock; and every record has exactly one fate."""
    first, second = Batch(), Batch()
    hop.encode(_journal(*packets), first, OPTIONS, 1000)
    hop.encode(_journal(*packets), second, OPTIONS, 1000)
    assert first == second
    assert sum(first.causes) == first.records == len(packets)
    assert len(_rows(first)) == first.causes[Cause.STORED]
    assert sum(sender.packets for sender in first.senders.values()) == len(packets)


def test_a_capture_id_of_another_width_is_refused() -> None:
    """The packet is not guessed at."""
    assert _causes(_hop(hep3(chunk(12, b"\0\7"), chunk(0x0F, SIP)))) == {Cause.HEP_FIELD: 1}
    assert _causes(_hop(hep3(u32(12, 7), u8(11, 1), chunk(0x0F, SIP)))) == {Cause.STORED: 1}


def _selection(directory: Path, **environment: str) -> Selection:
    variables = {
        "KEMISCOPE_CONFIG": os.devnull,
        "KEMISCOPE_JOURNAL_DIRECTORY": str(directory),
        **{f"KEMISCOPE_{name}": value for name, value in environment.items()},
    }
    return Selection(settings.load(None, variables))


def test_what_is_left_out_is_counted_and_no_row(tmp_path: Path) -> None:
    """Under the cause of the step; the sender did nothing wrong."""
    selection = _selection(tmp_path, FILTER_DISCARD_METHODS="BYE")
    batch = _hop(_packet(request()), _packet(request("BYE")), selection=selection)
    assert [row["method"] for row in _rows(batch)] == ["INVITE"]
    assert _causes(batch) == {Cause.STORED: 1, Cause.FILTER_METHOD: 1}
    (sender,) = batch.senders.values()
    assert (sender.packets, sender.rejected) == (2, 0)
    assert not batch.refused


def test_a_wrong_password_is_refused_and_not_kept_in_clear(tmp_path: Path) -> None:
    """Of SIP, other types and pings alike."""
    selection = _selection(tmp_path, SENDERS_PASSWORDS="2001:right")
    packets = [
        *(_packet(request(), auth_key=b"right"), _packet(request(), auth_key=b"hunter2")),
        *(_packet(b"x", type=100, auth_key=b"hunter2"), _packet(b"x", type=0, auth_key=b"hunter2")),
    ]
    batch = _hop(*packets, selection=selection)
    assert _causes(batch) == {Cause.STORED: 1, Cause.PASSWORD: 3}
    assert len(batch.refused) == 3
    for refused in batch.refused:
        assert b"hunter2" not in refused.packet
        assert b"*******" in refused.packet
    (sender,) = batch.senders.values()
    assert (sender.packets, sender.rejected) == (4, 3)


def test_leg_and_headers_reach_their_columns(tmp_path: Path) -> None:
    """As the settings ask for them."""
    selection = _selection(
        tmp_path, CORRELATION_HEADERS="X-CID", SIP_CUSTOM_HEADERS="X-Cost: number"
    )
    message = request(headers="X-CID: leg-a\r\nX-Cost: 12\r\n")
    (row,) = _rows(_hop(_packet(message), selection=selection))
    assert (row["aleg_id"], row["correlation_id"]) == ("leg-a", "leg-a")
    assert row["headers"] == {"X-Cost": 12}


def test_a_quality_report_is_a_fact_when_facts_are_wanted() -> None:
    """With the id and the reports of its row; what cannot be read says nothing."""
    packets = [
        _packet(payload, type=hep.TYPE_RTCP, correlation_id=b"call-1")
        for payload in (RTPENGINE_SR, b"no report")
    ]
    assert _hop(*packets).facts == []
    (fact,) = _hop(*packets, correlate=True).facts
    assert isinstance(fact, ReportFact)
    assert (fact.ts, fact.record_id, fact.call_id) == (NOW_US, NOW_US * 1000, b"call-1")
    assert [report.source_ssrc for report in fact.reports] == [2954871, 2954872]
