# SPDX-License-Identifier: GPL-2.0-or-later
"""A quiet machine: without one a measurement says little."""

from __future__ import annotations

import time
from typing import Final

from bench import measure

BUSY: Final = 0.05
"""Share of the processors (0 … 1) that others may take during a run; the target idles as well."""
_PATIENCE_S: Final = 300
_LOOK_S: Final = 1.0


def wait() -> None:
    """Wait until the machine has been quiet for a second; at most five minutes."""
    deadline = time.monotonic() + _PATIENCE_S
    told = False
    while (busy := _busy()) > 2 * BUSY and time.monotonic() < deadline:
        if not told:
            print(f"  waiting: {busy:.0%} of the processors are busy …", flush=True)
            told = True


def _busy() -> float:
    before = measure.machine()
    time.sleep(_LOOK_S)
    after = measure.machine()
    return (after.busy_s - before.busy_s) / (after.total_s - before.total_s)
