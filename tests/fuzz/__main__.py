# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.fuzz [--cases N] [--seed N]``: mutated packets and messages, and a verdict.

Before the mutations come the corpus as it is and the worst cases that we can think of. Half of the
packets go through filters, censoring and custom headers, too, and a tenth through the outputs.

Status 1 when a case raised an exception, gave a wrong result, or took more than 10 ms of CPU time
in each of five tries; its bytes are left in a file then.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.fuzz import corpus, mutate, run, worst
from tests.fuzz.run import SLOW_NS, CaseError, Outcomes

CASES: Final = 1_000_000
_MESSAGES: Final = 0.2
"""Part of the cases that are SIP messages alone."""
_OUTPUTS: Final = 0.1
"""Part of the cases that go through the outputs."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same cases")
    options = parser.parse_args(arguments)
    outcomes = Outcomes()
    messages = int(options.cases * _MESSAGES)
    relayed = int(options.cases * _OUTPUTS)
    stored = options.cases - messages - relayed
    started = time.monotonic()
    gc.freeze()
    try:
        run.packets(corpus.seeds().values(), outcomes)
        run.messages(corpus.messages().values(), outcomes)
        chosen = run.selection()
        run.packets(worst.cases(), outcomes)
        run.packets(worst.cases(), outcomes, chosen)
        packets = mutate.cases(stored, options.seed)
        run.packets(itertools.islice(packets, stored // 2), outcomes)
        run.packets(packets, outcomes, chosen)
        run.outputs(worst.cases(), outcomes)
        run.outputs(mutate.cases(relayed, options.seed + 2), outcomes)
        run.messages(mutate.messages(messages, options.seed + 1), outcomes)
    except CaseError as error:
        _say(f"FAILED after {outcomes.cases:,} cases: {error}\nthe case: {_keep(error.case)}")
        return 1
    _say(f"{outcomes.cases:,} cases, seed {options.seed}, {time.monotonic() - started:.0f} s")
    for cause, count in sorted(outcomes.causes.items()):
        _say(f"  {cause.label:<16} {count:>9,}")
    _say(f"  rows             {outcomes.rows:>9,}")
    best, first = outcomes.slowest
    case = outcomes.slowest_case
    _say(f"slowest case: {best / 1e6:.2f} ms, at first {first / 1e6:.2f} ms, {len(case):,} bytes")
    if best > SLOW_NS:
        _say(f"FAILED: more than {SLOW_NS / 1e6:.0f} ms\nthe case: {_keep(case)}")
        return 1
    return 0


def _keep(case: bytes) -> Path:
    with tempfile.NamedTemporaryFile(prefix="fuzz-", suffix=".bin", delete=False) as file:
        file.write(case)
    return Path(file.name)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
