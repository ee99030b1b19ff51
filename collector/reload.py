# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the ingest processes of a capture node read their settings again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from collector.journal.counters import Counters, Field, Role, held


def reload(journal: Path) -> int:
    """Send SIGHUP to every ingest process that lives; returns how many there were."""
    counters = Counters(journal)
    told = 0
    for number in counters.used_slots():
        slot = counters.slot(number)
        role, pid = slot[Field.ROLE], slot[Field.PID]
        slot.release()
        if role == Role.INGEST:
            with held(journal / f"{number:02d}") as is_free, suppress(ProcessLookupError):
                if not is_free:
                    os.kill(pid, signal.SIGHUP)
                    told += 1
    counters.close()
    return told
