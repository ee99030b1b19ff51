# SPDX-License-Identifier: GPL-2.0-or-later
"""One case: through codec and hop, what comes out is checked, and its CPU time measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, ParamSpec

from collector import forms, hop, settings, sip
from collector.causes import CAUSES, Cause, Outcome
from collector.columns import TABLES
from collector.hep import Hep
from collector.hop import Batch, Options, plain
from collector.journal import record
from collector.journal.record import Record
from collector.output.kpi import Figures
from collector.output.loki_line import Line, LineMaker, body
from collector.output.wire import Wire
from collector.peers import Peers
from collector.selection import Selection
from tests.copy_reader import read_rows

P = ParamSpec("P")

SLOW_NS: Final = 10_000_000
"""CPU time of one case that is too long."""
_TRIES: Final = 5
"""A case that seems slow runs so often, and the best counts: the machine does other things, too."""
_ARRIVAL_US: Final = 1_795_500_000_000_000
_PEER: Final = record.pack_address("203.0.113.5")
_OPTIONS: Final = Options(
    accept_past=3 * 86_400_000_000,
    accept_future=300_000_000,
    max_field_bytes=512,
    max_refused=100,
    correlate=True,
)


class Timing(NamedTuple):
    """CPU time of one case in ns."""

    best: int
    """Of all tries: what the case takes."""
    first: int
    """What it seemed to take."""


@dataclass(slots=True)
class Outcomes:
    """What became of the cases."""

    cases: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    rows: int = 0
    slowest: Timing = field(default_factory=lambda: Timing(0, 0))
    slowest_case: bytes = b""

    def count(self, cause: Cause) -> None:
        """One case ended so."""
        self.causes[cause] = self.causes.get(cause, 0) + 1

    def measure(self, case: bytes, timing: Timing) -> None:
        """Remember the slowest."""
        self.cases += 1
        if timing > self.slowest:
            self.slowest, self.slowest_case = timing, case


class CaseError(AssertionError):
    """A case that broke a promise; ``case`` is its bytes."""

    def __init__(self, case: bytes, problem: str) -> None:
        super().__init__(problem)
        self.case = case


def selection() -> Selection:
    """Steps that look at everything in a message."""
    variables = {
        "CONFIG": os.devnull,
        "FILTER_DISCARD_METHODS": "BYE",
        "FILTER_DISCARD_ADDRESSES": "203.0.113.0/24,2001:db8:ffff::/48",
        "FILTER_DISCARD_USER_AGENTS": "scanner",
        "FILTER_DISCARD_EXPRESSION": 'matches(from_user, "^(a+)+$") and call_id != "a"',
        "FILTER_SAMPLE_OTHER": "50",
        "FILTER_CENSOR_METHODS": "INVITE",
        "CORRELATION_HEADERS": r"X-CID,Contact: ^.*<sip:([^@]*)@",
        "CORRELATION_FORCE": "true",
        "SIP_CUSTOM_HEADERS": "Via,To,Authorization,CSeq: number",
    }
    return Selection(
        settings.load(None, {f"KEMISCOPE_{name}": value for name, value in variables.items()})
    )


def packets(cases: Iterable[bytes], outcomes: Outcomes, chosen: Selection | None = None) -> None:
    """HEP packets through the whole hop. Raises CaseError for an exception or a wrong result."""
    options = _OPTIONS._replace(selection=chosen)
    for case in cases:
        journal = record.pack(_ARRIVAL_US * 1000, _PEER, 9060, 0, case)
        batch = Batch()
        outcomes.measure(case, _timed(case, _encode, journal, batch, options))
        try:
            _check(batch, outcomes, case, as_it_came=chosen is None)
            if chosen is None:
                _check_forms(batch, journal, options)
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


def outputs(cases: Iterable[bytes], outcomes: Outcomes) -> None:
    """HEP packets through what every output makes of them, each measured alone."""
    loaded = settings.load(None, {"KEMISCOPE_CONFIG": os.devnull})
    chosen = Selection(loaded)
    lines = LineMaker(loaded, chosen)

    def push(found: Record) -> None:
        line = lines.make(found)
        if isinstance(line, Line):
            body(loaded.loki.labels, [line])

    readers: tuple[Callable[[Record], object], ...] = (
        Figures(Peers(()), chosen, 100).add,
        push,
        Wire(stream=False, password=b"x").encode,
        Wire(stream=True, types=frozenset({1, 5})).encode,
    )
    for case in cases:
        found = Record(_ARRIVAL_US * 1000, _PEER, 9060, 0, case, 0)
        outcomes.measure(case, max(_timed(case, reader, found) for reader in readers))


def _encode(journal: bytes, batch: Batch, options: Options) -> None:
    # Further tries of the same case must not add to what the first one gave.
    hop.encode(journal, Batch() if batch.records else batch, options, 1)


def _timed(case: bytes, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Timing:
    """CPU time of this process, what others do does not count; more tries when it seems slow."""
    tries: list[int] = []
    while not tries or (tries[-1] > SLOW_NS and len(tries) < _TRIES):
        started = time.process_time_ns()
        try:
            work(*args, **kwargs)
        except Exception as error:
            raise CaseError(case, f"{type(error).__name__}: {error}") from error
        tries.append(time.process_time_ns() - started)
    return Timing(min(tries), tries[0])


def _check(batch: Batch, outcomes: Outcomes, case: bytes, *, as_it_came: bool) -> None:
    """One packet has one fate, and its rows are what PostgreSQL takes."""
    packet = forms.decode(case)
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
    if as_it_came and payloads and isinstance(packet, Hep):
        plain = not packet.payload.lstrip().startswith(b"{")
        assert not plain or payloads == [packet.payload], "the payload is kept as it came"


def _check_forms(batch: Batch, journal: bytes, options: Options) -> None:
    """The reference gives the same, whatever form has run."""
    reference = Batch()
    plain.encode(journal, reference, options, 1)
    assert batch == reference, "the forms of the hop differ"
