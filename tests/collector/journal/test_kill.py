# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of real writer processes in the middle of their work, while a reader follows them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from collector.causes import Cause
from collector.journal import record, segment
from collector.journal.counters import Counters, Field, cause_counts
from collector.journal.reader import Claim, Reader
from tests.fix_journal import OpenWriter

ROUNDS = 12
WRITERS = 2
PACKET_BYTES = 700
AT_ONCE = 7
"""Packets that a writer has in its hands."""

_WRITER = f"""
import os, sys
from pathlib import Path
from collector.journal.counters import Role
from collector.journal.writer import Writer
name = sys.argv[2].encode()
writer = Writer(Path(sys.argv[1]), Role.UDP, segment_bytes=200_000, segment_seconds=3600,
                max_bytes=1 << 34, min_free_bytes=0)
print("ready", flush=True)
number = 0
while True:
    packets = [b"%s %08d " % (name, number + n) for n in range({AT_ONCE})]
    packets = [packet.ljust({PACKET_BYTES}, b"x") for packet in packets]
    if number % 2:
        writer.offer(packets, bytes(16), 1, 0)
    else:
        for packet in packets:
            writer.append(packet, bytes(16), 1, 0)
    number += {AT_ONCE}
"""


class Follower:
    """Reads everything there is, as ingest does, and keeps what it read."""

    def __init__(self, journal: Path) -> None:
        self.counters = Counters(journal)
        self.reader = Reader(journal, self.counters)
        self.packets: list[bytes] = []

    def read_all(self) -> None:
        """Until nothing more comes."""
        while self.read_once():
            pass

    def read_once(self) -> bool:
        """The next part of one segment; False when there is nothing."""
        for claim in list(self.reader.claims):
            self.reader.refresh(claim)
            data = claim.read(1 << 20)
            found = self._take(claim, data)
            if found:
                return True
            if claim.segment.records is not None:
                assert claim.records == claim.segment.records
                assert claim.skip_damage(data) == len(data), "an intact record was left"
                self.reader.finish(claim)
        return self.reader.claim_next() is not None

    def _take(self, claim: Claim, data: bytes) -> int:
        count = offset = 0
        while (one := record.unpack(data, offset)) is not None:
            self.packets.append(one.packet)
            offset = one.end
            count += 1
        claim.offset += offset
        claim.records += count
        return count


def test_killed_writers_lose_at_most_the_packets_in_their_hands(
    journal: Path, open_writer: OpenWriter
) -> None:
    """Every packet that was counted as journaled is read once; nothing is torn or left over.

    They append one by one, as a UDP worker does, and several at once, as the listener does.
    """
    chance = random.Random(20261123)
    follower = Follower(journal)
    for round_number in range(ROUNDS):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(journal), f"{round_number}-{number}"],
                stdout=subprocess.PIPE,
            )
            for number in range(WRITERS)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
        for _ in range(chance.randrange(60)):
            follower.read_once()
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        if chance.random() < 0.5:  # else the next writer of the slot brings it into order
            follower.read_all()
    # One more writer for each slot: each brings its slot into order.
    last = [open_writer() for _ in range(WRITERS)]
    for writer in last:
        writer.close()
    follower.read_all()

    received = journaled = killed = 0
    for number in follower.counters.used_slots():
        slot = follower.counters.slot(number)
        received += slot[Field.RECEIVED]
        journaled += slot[Field.JOURNALED]
        causes = cause_counts(slot)
        killed += causes.pop(Cause.WORKER_KILLED, 0)
        assert causes == {}
        slot.release()
    follower.counters.close()
    assert journaled == len(follower.packets) > ROUNDS * WRITERS
    assert received == journaled + killed
    assert killed <= ROUNDS * WRITERS * AT_ONCE
    assert list(journal.glob(f"*/*{segment.OPEN_SUFFIX}")) == []

    assert max(Counter(follower.packets).values()) == 1, "a packet was read twice"
    numbers: dict[bytes, list[int]] = {}
    for packet in follower.packets:
        name, number_text, _ = packet.split(b" ", 2)
        assert len(packet) == PACKET_BYTES
        numbers.setdefault(name, []).append(int(number_text))
    for found in numbers.values():
        assert found == list(range(len(found))), "a hole, or not in order"
