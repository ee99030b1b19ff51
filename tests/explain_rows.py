# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages of a flow as rows of ``sip_message``, made by the code that stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from collector import hep, sip
from collector.row import encode
from tests.copy_reader import Row, read_rows
from tests.flow import Message

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows_of(messages: list[Message]) -> list[Row]:
    """The rows in the order of the messages; ``id`` is that of the message."""
    return [_row(message) for message in messages]


def _row(message: Message) -> Row:
    packet = hep.decode(message.packet)
    assert isinstance(packet, hep.Hep)
    encoded = encode(
        packet,
        sip.extract(packet.payload),
        ts=message.us,
        record_id=message.id,
        sender_ts=None,
        node=str(message.node).encode(),
        max_field_bytes=512,
    )
    (row,) = read_rows(encoded)
    return row | {"ts": _EPOCH + timedelta(microseconds=row["ts"])}
