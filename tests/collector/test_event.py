# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of hep_event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector import event
from collector.columns import HEP_EVENT
from collector.hep import PROTOCOL_UDP, TYPE_LOG, Hep
from tests.copy_reader import Row, read_rows

TS = 1_790_000_000_000_001
LOG = Hep(
    *(3, PROTOCOL_UDP, bytes((192, 0, 2, 1)), bytes(15) + b"\1", 5060, 9060, 0, 0, TYPE_LOG, 7),
    payload=b"route: no dispatcher",
    correlation_id=b"call-1@test",
    vlan=12,
)


def _row(packet: Hep, node: bytes = b"edge-1", max_field_bytes: int = 512) -> Row:
    encoded = event.encode(
        packet,
        ts=TS,
        record_id=2**62,
        sender_ts=TS - 1,
        node=node,
        max_field_bytes=max_field_bytes,
    )
    (row,) = read_rows(encoded, HEP_EVENT)
    return row


def test_every_column() -> None:
    """Each field of the packet in its place."""
    assert _row(LOG) == {
        "ts": TS,
        "id": 2**62,
        "sender_ts": TS - 1,
        "src_port": 5060,
        "dst_port": 9060,
        "type": TYPE_LOG,
        "vlan": 12,
        "src_ip": "192.0.2.1",
        "dst_ip": "::1",
        "call_id": "call-1@test",
        "node": "edge-1",
        "fault": None,
        "payload": b"route: no dispatcher",
        "chunks": None,
    }


def test_without_a_correlation_id_it_is_stored_all_the_same() -> None:
    """DNS packets have none, for instance."""
    row = _row(LOG._replace(correlation_id=b"", payload=b"", src_ip=b""))
    assert (row["call_id"], row["payload"], row["src_ip"]) == ("", b"", None)


def test_a_long_correlation_id_is_cut_and_marked() -> None:
    """It must fit into the index."""
    row = _row(LOG._replace(correlation_id=b"x" * 5000))
    assert (row["call_id"], row["fault"]) == ("x" * 512, "field_length")


@given(st.binary(max_size=600), st.binary(max_size=600), st.binary(max_size=50))
def test_any_bytes_give_a_row(correlation_id: bytes, node: bytes, payload: bytes) -> None:
    """Text is made clean, the payload stays as it came."""
    row = _row(LOG._replace(correlation_id=correlation_id, payload=payload), node)
    assert row["payload"] == payload
    assert len(row["call_id"].encode()) <= 512
