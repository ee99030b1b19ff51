# SPDX-License-Identifier: GPL-2.0-or-later
"""An ingest process that is always busy and does nothing: beside it all others share the work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.journal.counters import Counters, Field, Role, claim_slot


@contextmanager
def busy_ingest(journal: Path) -> Iterator[None]:
    """Have a slot of the journal for the length of a block."""
    counters = Counters(journal)
    number, lock = claim_slot(counters, journal, Role.INGEST, time.time_ns())
    counters.slot(number)[Field.BUSY] = 1000
    try:
        yield
    finally:
        counters.slot(number)[Field.BUSY] = 0
        os.close(lock)
        counters.close()
