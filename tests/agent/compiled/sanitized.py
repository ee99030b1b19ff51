# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.agent.compiled.sanitized FILE CASES``: mutated frames through that build.

Each in memory of its own, so that the first byte behind it is nobody's.
"""

from __future__ import annotations

import random
import sys

from agent.capture.source import Frame
from bench import mix
from collector.compiled import sources
from tests import compiled_file
from tests.agent.packet.frames import ethernet, ip4, ip6, udp
from tests.fuzz import corpus, mutate

_TAGS = ((0x8100, 5), (0x8100, 4095))


def main(path: str, cases: int) -> None:
    """Print how many frames went through; the first error of memory ends the process."""
    module = compiled_file.load(sources.FRAMES, path)
    chance = random.Random(9)
    learnt: list[bytes] = []
    readers = [
        module.Frames(
            places=places,
            largest=65_507,
            learn=learn,
            capture_id=2002,
            node_name=b"n" * (places[0] & 3),
            auth_key=b"secret",
            sources=(53, 2223),
            targets=(514,),
        )
        for places in ((12, 14), (14, 16), (0, 20))
        for learn in (None, lambda _at, _ip, message: learnt.append(message))
    ]
    done = 0
    packets: list[bytes] = []
    unit = mix.packets()
    ordinary = [mix.fill(unit, number) for number in range(len(unit))]
    others = [*corpus.messages().values(), *mutate.messages(cases, 7), *mutate.cases(cases, 8)]
    for data in (*ordinary, *others):
        whole = ethernet(ip4(udp(data[:65_000])), tags=_TAGS[: len(data) % 3])
        if len(data) % 5 == 0:
            whole = ethernet(ip6(udp(data[:65_000])), 0x86DD)
        changed = bytearray(whole)
        changed[chance.randrange(min(len(whole), 70))] = chance.randrange(256)
        for frame in (whole, bytes(changed), whole[: chance.randrange(len(whole) + 1)]):
            frames: list[Frame] = [(1_800_000_000_000_000, frame, len(frame))]
            for reader in readers:
                reader.encode(frames, 0, 0, 1 << 62, packets)
            done += 1
    assert packets
    assert learnt
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
