# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of real writer and output processes in the middle of their work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from collector.journal.counters import Counters, Field
from collector.output.fate import Fate
from collector.output.standing import read
from stack.ports import free_port
from tests.receivers import StreamReceiver

ROUNDS = 10

_WRITER = """
import sys, time
from pathlib import Path
from bench import mix
from collector.journal.counters import Role
from collector.journal.writer import Writer
writer = Writer(Path(sys.argv[1]), Role.UDP, segment_bytes=200_000, segment_seconds=3600,
                max_bytes=1 << 34, min_free_bytes=0, outputs={sys.argv[2]: 1 << 34})
packets = mix.packets()
number = int(sys.argv[3])
print("ready", flush=True)
while True:
    for _ in range(20):
        # Written before it is counted: the number in the file says what was appended.
        writer.append(mix.fill(packets, number), bytes(16), 1, 0)
        number += 1
    time.sleep(0.01)
"""


def test_killed_writers_and_outputs_lose_nothing(journal: Path) -> None:
    """Every record that was journaled reaches the target; nothing is counted as missing."""
    chance = random.Random(20261124)
    receiver = StreamReceiver(free_port())
    receiver.start()
    name = f"relay-tcp-127.0.0.1-{receiver.port}"
    environment = os.environ | {
        "KEMISCOPE_CONFIG": "/dev/null",
        "KEMISCOPE_JOURNAL_DIRECTORY": str(journal),
        "KEMISCOPE_RELAY_TARGETS": f"tcp:127.0.0.1:{receiver.port}",
    }
    output = _start_output(environment)
    try:
        for round_number in range(ROUNDS):
            writer = subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(journal), name, str(round_number * 1_000_000)],
                stdout=subprocess.PIPE,
            )
            assert writer.stdout
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.1, 0.6))
            first, second = chance.sample((writer, output), 2)
            first.send_signal(signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.3))
            second.send_signal(signal.SIGKILL)
            for process in (writer, output):
                process.communicate()
            output = _start_output(environment)
        counters = Counters(journal)
        journaled = _wait_until_delivered(journal, counters)
        (status,) = read(journal, counters)
        counters.close()
    finally:
        output.kill()
        output.communicate()
        receiver.stop()
    assert journaled > ROUNDS * 100
    assert receiver.faults == []
    assert len(receiver.numbers) == journaled
    assert status.state.fates == {Fate.DELIVERED: journaled}
    for round_number in range(ROUNDS):
        mine = sorted(n for n in receiver.numbers if n // 1_000_000 == round_number)
        assert mine == list(range(mine[0], mine[0] + len(mine))), "a hole"


def _start_output(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "collector", "output"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_until_delivered(journal: Path, counters: Counters) -> int:
    deadline = time.monotonic() + 60
    while True:
        (status,) = read(journal, counters)
        if status.waiting == 0 and status.octets == 0:
            return int(sum(counters.slot(n)[Field.JOURNALED] for n in counters.used_slots()))
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
