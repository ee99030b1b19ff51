# SPDX-License-Identifier: GPL-2.0-or-later
"""How much each peer has sent lately, shared by all processes of the capture node.

The generic cell rate algorithm (ITU-T I.371): one number per peer, the time at which what it has
sent so far would have been due at exactly its rate. The table is memory that forked processes
share. There is no lock: two processes that take a packet of one peer in the same instant may count
one of them, so a peer can get a little more than its rate, never less.
"""

from __future__ import annotations

import mmap
import os
from hashlib import blake2b
from typing import Final

ROWS: Final = 4096
"""Peers that can be told apart at a time. A row is free again as soon as its peer is no longer
ahead of its rate, so it takes as many that send in the same instant to fill the table."""
PROBES: Final = 8
_OVERFLOW: Final = ROWS
"""The row that all peers share for which there is none."""
_MAX_KNOWN: Final = 10_000
BURST_NS: Final = 1_000_000_000
"""A peer may send this much ahead of its rate: a second's worth at once."""


class RateTable:
    """The rate of every peer; made before the processes fork, so that they share it."""

    def __init__(self, packets_per_second: int) -> None:
        """The same limit holds for each peer."""
        self._interval_ns = max(1, 1_000_000_000 // packets_per_second)
        self._words = memoryview(mmap.mmap(-1, (ROWS + 1) * 16)).cast("Q")
        # Nobody can choose addresses that share a row with somebody else's.
        self._salt = os.urandom(16)
        self._rows: dict[bytes, tuple[int, int]] = {}

    def admits(self, peer: bytes, now_ns: int) -> bool:
        """Count one packet if it is within the rate; ``now_ns`` as of time.monotonic_ns()."""
        row = self._row(peer, now_ns)
        due = self._words[row]
        if due < now_ns:
            due = now_ns
        due += self._interval_ns
        if due > now_ns + BURST_NS:
            return False
        self._words[row] = due
        return True

    def delay_ns(self, peer: bytes, packets: int, now_ns: int) -> int:
        """Count packets that were taken in any case; returns how long to take no more, in ns."""
        row = self._row(peer, now_ns)
        due = max(self._words[row], now_ns) + packets * self._interval_ns
        self._words[row] = due
        return max(0, due - now_ns - BURST_NS)

    def _row(self, peer: bytes, now_ns: int) -> int:
        """Position of the peer's due time; the word before it holds the peer's key."""
        known = self._rows.get(peer)
        if known is not None and self._words[known[0] - 1] == known[1]:
            return known[0]
        return self._claim(peer, known[1] if known else self._key(peer), now_ns)

    def _claim(self, peer: bytes, key: int, now_ns: int) -> int:
        """The peer's row, made out of one that says nothing any more if it has none."""
        words = self._words
        free = 0
        for probe in range(PROBES):
            at = 2 * ((key + probe) % ROWS)
            if words[at] == key:
                break
            if not free and words[at + 1] <= now_ns:
                free = at + 1
        else:
            if not free:
                return 2 * _OVERFLOW + 1
            at = free - 1
            words[at + 1] = 0
            words[at] = key
        if len(self._rows) >= _MAX_KNOWN:
            self._rows.clear()
        self._rows[peer] = (at + 1, key)
        return at + 1

    def _key(self, peer: bytes) -> int:
        digest = blake2b(peer, digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest) or 1
