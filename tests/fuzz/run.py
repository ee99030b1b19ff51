# SPDX-License-Identifier: GPL-2.0-or-later
"""One case: through codec and hop, what comes out is checked, and its CPU time measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, ParamSpec

from collector import hep, hop, sip
from collector.causes import CAUSES, Cause, Outcome
from collector.columns import TABLES
from collector.hep import Hep
from collector.hop import Batch, Options
from collector.journal import record
from tests.copy_reader import read_rows

P = ParamSpec("P")

SLOW_NS: Final = 10_000_000
"""CPU time of one case that is too long."""
_TRIES: Final = 5
"""A case that seems slow runs so often, and the best counts: the machine does other things, too."""
_ARRIVAL_US: Final = 1_795_500_000_000_000
_PEER: Final = record.pack_address("203.0.113.5")
_OPTIONS: Final = Options(
    accept_past=3 * 86_400_000_000, accept_future=300_000_000, max_field_bytes=512, max_refused=100
)


@dataclass(slots=True)
class Outcomes:
    """What became of the cases."""

    cases: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    rows: int = 0
    slowest_ns: int = 0
    slowest: bytes = b""

    def count(self, cause: Cause) -> None:
        """One case ended so."""
        self.causes[cause] = self.causes.get(cause, 0) + 1

    def measure(self, case: bytes, elapsed_ns: int) -> None:
        """Remember the slowest."""
        self.cases += 1
        if elapsed_ns > self.slowest_ns:
            self.slowest_ns, self.slowest = elapsed_ns, case


class CaseError(AssertionError):
    """A case that broke a promise; ``case`` is its bytes."""

    def __init__(self, case: bytes, problem: str) -> None:
        super().__init__(problem)
        self.case = case


def packets(cases: Iterable[bytes], outcomes: Outcomes) -> None:
    """HEP packets through the whole hop. Raises CaseError for an exception or a wrong result."""
    for case in cases:
        journal = record.pack(_ARRIVAL_US * 1000, _PEER, 9060, 0, case)
        batch = Batch()
        outcomes.measure(case, _timed(case, _encode, journal, batch))
        try:
            _check(batch, outcomes, hep.decode(case))
        except Exception as error:
            raise CaseError(case, f"{type(error).__name__}: {error}") from error


def messages(cases: Iterable[bytes], outcomes: Outcomes) -> None:
    """SIP messages through the extraction."""
    for case in cases:
        outcomes.measure(case, _timed(case, sip.extract, case))
        found = sip.extract(case)
        if found.fault is None and not found.call_id:
            problem = "a message without a fault has a Call-ID"
            raise CaseError(case, problem)


def _encode(journal: bytes, batch: Batch) -> None:
    if not batch.records:  # a second try of the same case
        hop.encode(journal, batch, _OPTIONS, 1)
    else:
        hop.encode(journal, Batch(), _OPTIONS, 1)


def _timed(case: bytes, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> int:
    """CPU time of this process in ns, what others do does not count; the best of some tries."""
    best = 1 << 62
    for _ in range(_TRIES):
        started = time.process_time_ns()
        try:
            work(*args, **kwargs)
        except Exception as error:
            raise CaseError(case, f"{type(error).__name__}: {error}") from error
        best = min(best, time.process_time_ns() - started)
        if best <= SLOW_NS:
            break
    return best


def _check(batch: Batch, outcomes: Outcomes, packet: Hep | Cause) -> None:
    """One packet has one fate, and its rows are what PostgreSQL takes."""
    assert batch.records == sum(batch.causes) == 1
    (cause,) = (cause for cause in CAUSES if batch.causes[cause])
    outcomes.count(cause)
    stored = 0
    payloads = []
    for table, rows in zip(TABLES, batch.rows, strict=True):
        found = read_rows(rows.data, table.columns) if rows.data else []
        outcomes.rows += len(found)
        stored += bool(found)
        payloads += [row.get("payload") or row.get("raw") or b"" for row in found[:1]]
        assert all(len((row["call_id"] or "").encode()) <= 512 for row in found)
    assert stored == (cause is Cause.STORED)
    assert isinstance(packet, Cause) == (cause.outcome is Outcome.REJECTED)
    if isinstance(packet, Hep) and payloads and not packet.payload.lstrip().startswith(b"{"):
        assert payloads == [packet.payload], "the payload is kept as it came"
