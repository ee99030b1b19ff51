# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.collector.compiled.sanitized FILE CASES``: mutated packets through that build.

Each in a journal of its own, so that the first byte behind it is nobody's.
"""

from __future__ import annotations

import itertools
import sys

from collector.compiled import sources
from collector.correlation.columns import CALL, REGISTRATION
from collector.correlation.pending import Pending
from collector.hop import Batch, Options
from collector.journal import record
from tests import compiled_file
from tests.fuzz import corpus, mutate, worst
from tests.sip_text import packet, request

_LONGEST = 65_000
_OPTIONS = Options(accept_past=1 << 60, accept_future=1 << 60, correlate=True)


def main(path: str, cases: int) -> None:
    """Print how many packets went through; the first error of memory ends the process."""
    hop = compiled_file.load(sources.HOP, path)
    calls = hop.RowEncoder(0, CALL)
    registrations = hop.RowEncoder(0, REGISTRATION)
    done = 0
    for data in itertools.chain(
        corpus.seeds().values(),
        mutate.cases(cases, 7),
        (packet(message[:_LONGEST]) for message in mutate.messages(cases, 8)),
        itertools.islice(worst.cases(), 0, None, 100),
        (packet(request())[:-size] for size in range(1, 400)),
    ):
        journal = record.pack(1, bytes(16), 9060, 0, data)
        pending = Pending()
        batch = Batch(pending=pending)
        hop.encode(journal, batch, _OPTIONS, 1)
        hop.encode(journal[:-1], batch, _OPTIONS, 1)
        hop.encode(journal, Batch(), _OPTIONS, 1)
        for leg in pending.legs.values():
            calls.row((), leg)
        for registration in pending.registrations.values():
            registrations.row((), registration)
        done += batch.records
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
