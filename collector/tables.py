# SPDX-License-Identifier: GPL-2.0-or-later
"""All tables that are partitioned by ``ts`` and that retention empties."""

from __future__ import annotations

from typing import Final

from collector.columns import TABLES, Table
from collector.correlation.columns import (
    CALL,
    CALL_FILING,
    CALL_GENERATED,
    CALL_LATER,
    CALL_LINK,
    STREAM,
    STREAM_FILING,
    flat,
)

RECORD: Final = "record"
"""Kind of the rows that correlation makes."""
CALL_TABLE: Final = Table(
    "call",
    RECORD,
    (*CALL_FILING, *flat(CALL), *CALL_LATER, *CALL_GENERATED),
    # A row is updated a few times while the call runs, best on the page where it is.
    fillfactor=60,
)
CALL_LINK_TABLE: Final = Table("call_link", RECORD, CALL_LINK)
STREAM_TABLE: Final = Table(
    "rtp_stream",
    RECORD,
    (*STREAM_FILING, *flat(STREAM)),
    # With every report, as a rule each 5 s (RFC 3550 §6.2).
    fillfactor=60,
)

PARTITIONED: Final = (*TABLES, CALL_TABLE, CALL_LINK_TABLE, STREAM_TABLE)
KINDS: Final = tuple(dict.fromkeys(table.kind for table in PARTITIONED))
"""What settings, retention and statistics tell apart."""
