# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.collector.compiled.sanitized FILE CASES``: mutated packets through that build.

Each in a journal of its own, so that the first byte behind it is nobody's.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys

from collector.hop import Batch, Options
from collector.journal import record
from tests.fuzz import corpus, mutate, worst
from tests.sip_text import packet, request

_LONGEST = 65_000
_OPTIONS = Options(accept_past=1 << 60, accept_future=1 << 60, correlate=True)


def main(path: str, cases: int) -> None:
    """Print how many packets went through; the first error of memory ends the process."""
    spec = importlib.util.spec_from_file_location("collector.compiled.hop", path)
    assert spec
    assert spec.loader
    hop = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hop)
    done = 0
    for data in itertools.chain(
        corpus.seeds().values(),
        mutate.cases(cases, 7),
        (packet(message[:_LONGEST]) for message in mutate.messages(cases, 8)),
        itertools.islice(worst.cases(), 0, None, 100),
        (packet(request())[:-size] for size in range(1, 400)),
    ):
        journal = record.pack(1, bytes(16), 9060, 0, data)
        batch = Batch()
        hop.encode(journal, batch, _OPTIONS, 1)
        hop.encode(journal[:-1], batch, _OPTIONS, 1)
        done += batch.records
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
