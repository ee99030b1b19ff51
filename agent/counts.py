# SPDX-License-Identifier: GPL-2.0-or-later
"""The counters of all workers in shared memory that is made before they are forked.

One row for each worker, one place for each ``Count``; nobody else writes there. What a worker has
counted stays when it dies.
"""

from __future__ import annotations

import mmap
from typing import Final, TypeAlias

from agent.count import Count

Counts: TypeAlias = "memoryview[int]"
"""A worker's row, writable, by ``Count``."""

LAST_MESSAGE: Final = len(Count)
"""In a row behind the counts: when its worker last handed over a message, s since 1970."""
COMPILED: Final = LAST_MESSAGE + 1
"""1 when its worker reads ordinary frames in compiled form (``agent.ordinary``)."""
_FIELDS: Final = COMPILED + 1


class Rows:
    """The rows of ``workers`` workers."""

    def __init__(self, workers: int) -> None:
        # Anonymous and shared: those who fork after this see the same numbers.
        self._view = memoryview(mmap.mmap(-1, workers * _FIELDS * 8)).cast("Q")
        self._workers = workers

    def row(self, worker: int) -> Counts:
        """The row of one worker."""
        return self._view[worker * _FIELDS : (worker + 1) * _FIELDS]

    def sums(self) -> list[int]:
        """What all workers have counted together, by ``Count``."""
        values = self._view.tolist()
        return [sum(values[count::_FIELDS]) for count in range(LAST_MESSAGE)]

    @property
    def last_message(self) -> int:
        """When any worker last handed over a message, s since 1970; 0 for never."""
        return max(self._view.tolist()[LAST_MESSAGE::_FIELDS])

    @property
    def compiled_workers(self) -> int:
        """Workers that read ordinary frames in compiled form."""
        return sum(self._view.tolist()[COMPILED::_FIELDS])
