# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.collector.compiled.sanitized_records FILE CASES``: runs of records."""

from __future__ import annotations

import random
import sys

from collector.compiled import sources
from tests import compiled_file
from tests.fuzz import corpus, mutate


def main(path: str, cases: int) -> None:
    """Print how many packets went through; the first error of memory ends the process."""
    records = compiled_file.load(sources.RECORDS, path)
    chance = random.Random(9)
    packets = [*corpus.seeds().values(), *mutate.cases(2 * cases, 7)]
    done = 0
    for packet in packets:
        run = [packet, b"", packet[:7]]
        data, count = records.pack(run, 0, 1, bytes(16), 9060, 0, 1 << 30)
        found = records.unpack(data)
        assert [one.packet for one in found] == run[:count]
        assert records.packets(found, 65_535) is None
        records.packets(found[:1], 65_535)
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        assert len(records.unpack(bytes(damaged))) < count
        records.unpack(data[: chance.randrange(len(data))])
        done += 1
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
