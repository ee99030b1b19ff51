# SPDX-License-Identifier: GPL-2.0-or-later
"""A small run of the fuzzing in every test run, without timing; the whole is `make fuzz`."""

from __future__ import annotations

import itertools

import pytest

from collector.causes import Cause
from tests.fuzz import corpus, mutate, run, worst
from tests.fuzz.run import CaseError, Outcomes

CASES = 20_000
SEED = 20_261_123


def test_the_corpus() -> None:
    """Every file and every sender, as it is."""
    outcomes = Outcomes()
    run.packets(corpus.seeds().values(), outcomes)
    run.messages(corpus.messages().values(), outcomes)
    assert outcomes.cases == len(corpus.seeds()) + len(corpus.messages())


def test_mutated_packets() -> None:
    """No exception, one fate each, rows that PostgreSQL takes; and mutations reach every branch."""
    outcomes = Outcomes()
    run.packets(mutate.cases(CASES, SEED), outcomes)
    assert outcomes.cases == sum(outcomes.causes.values()) == CASES
    decided = {Cause.STORED, Cause.KEEPALIVE, Cause.NOT_HEP, Cause.HEP_LENGTH, Cause.HEP_CHUNK}
    decided |= {Cause.HEP_FIELD, Cause.HEP_FAMILY, Cause.HEP_INFLATE}
    assert set(outcomes.causes) == decided
    assert outcomes.causes[Cause.STORED] > CASES // 3


def test_mutated_packets_through_the_selection() -> None:
    """Filters, censoring, headers: the same promises."""
    outcomes = Outcomes()
    run.packets(mutate.cases(CASES // 4, SEED + 1), outcomes, run.selection())
    assert outcomes.cases == sum(outcomes.causes.values()) == CASES // 4
    assert outcomes.causes[Cause.SAMPLED_OUT] > CASES // 100


def test_mutated_packets_at_the_outputs() -> None:
    """Metrics, Loki and relay raise on nothing either."""
    outcomes = Outcomes()
    run.outputs(corpus.seeds().values(), outcomes)
    run.outputs(mutate.cases(CASES // 4, SEED + 2), outcomes)
    assert outcomes.cases == CASES // 4 + len(corpus.seeds())


def test_a_case_that_seems_slow_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of the tries counts, and both figures are kept."""
    times = iter([0, 50_000_000, 0, 30_000_000, 0, 2_000_000])
    monkeypatch.setattr("time.process_time_ns", lambda: next(times))
    outcomes = Outcomes()
    run.messages([b"INVITE"], outcomes)
    assert outcomes.slowest == (2_000_000, 50_000_000)


def test_mutated_messages() -> None:
    """SIP alone."""
    outcomes = Outcomes()
    run.messages(mutate.messages(CASES // 4, SEED), outcomes)
    assert outcomes.cases == CASES // 4


@pytest.mark.timeout(120)
def test_the_worst_cases() -> None:
    """Each tenth of them."""
    outcomes = Outcomes()
    run.packets(itertools.islice(worst.cases(), SEED % 10, None, 10), outcomes)
    assert outcomes.cases > 500


def test_the_same_seed_gives_the_same_cases() -> None:
    """So that a failure can be looked at again."""
    assert list(mutate.cases(200, 7)) == list(mutate.cases(200, 7)) != list(mutate.cases(200, 8))
    assert list(mutate.messages(200, 7)) == list(mutate.messages(200, 7))


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the codec comes out with the case that made it."""

    def faulty(message: bytes) -> None:
        raise IndexError(message[:1])

    monkeypatch.setattr("collector.sip.extract", faulty)
    with pytest.raises(CaseError, match="IndexError") as found:
        run.packets(mutate.cases(1000, 1), Outcomes())
    assert found.value.case in set(mutate.cases(1000, 1))
