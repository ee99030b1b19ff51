# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers by label values, bounded: what Prometheus metrics are made of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from collector.output.label import OTHER

BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the delay histograms, seconds."""

Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Count:
    """How often, and how much in all."""

    count: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.count += 1
        self.total += value


@dataclass(slots=True)
class Histogram:
    """How often in which range of ``BUCKETS_S``; the last range has no upper end."""

    total: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))

    def add(self, value: float) -> None:
        """One more."""
        self.total += value
        self.counts[bisect_left(BUCKETS_S, value)] += 1


Number = TypeVar("Number")


class Series(Generic[Number]):
    """One metric: a number for each combination of label values, up to a limit.

    Beyond it the labels after ``kept`` become ``other``, so that nothing is left uncounted.
    """

    def __init__(self, make: Callable[[], Number], limit: int, kept: int) -> None:
        self._make = make
        self._limit = limit
        self._kept = kept
        self.numbers: dict[Key, Number] = {}

    def at(self, key: Key) -> Number:
        """The number of a combination."""
        number = self.numbers.get(key)
        if number is None:
            if len(self.numbers) >= self._limit:
                key = key[: self._kept] + (OTHER,) * (len(key) - self._kept)
            number = self.numbers.setdefault(key, self._make())
        return number
