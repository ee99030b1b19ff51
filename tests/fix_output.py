# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs over a journal of the test, run as their process does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench import mix
from collector import settings
from collector.journal.counters import Counters, Role
from collector.journal.writer import Writer
from collector.output import configured
from collector.output.output import Output
from collector.output.process import make_outputs
from collector.output.running import run_outputs
from tests.fix_journal import append

_PACKETS = mix.packets()


class OutputTrial:
    """A journal with one writer, and the outputs that the settings ask for."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.counters = Counters(journal)
        self.sent = 0
        self._settings: settings.Settings | None = None
        self._writer: Writer | None = None

    def configure(self, segment_bytes: int = 1 << 16, **environment: str) -> None:
        """Settings as LOKI_URL="…"; the writer links for the outputs that they name."""
        variables = {
            "KEMISCOPE_CONFIG": "/dev/null",
            "KEMISCOPE_JOURNAL_DIRECTORY": str(self.journal),
            "KEMISCOPE_JOURNAL_SEGMENT_BYTES": str(segment_bytes),
        }
        variables |= {f"KEMISCOPE_{name}": value for name, value in environment.items()}
        self._settings = settings.load(None, variables)
        if self._writer:
            self._writer.close()
        self._writer = Writer(
            self.journal,
            Role.UDP,
            segment_bytes=segment_bytes,
            segment_seconds=3600,
            max_bytes=1 << 40,
            min_free_bytes=0,
            outputs=configured.limits(self._settings),
        )

    def send(self, count: int) -> None:
        """So many numbered packets arrive."""
        for _ in range(count):
            self.append(mix.fill(_PACKETS, self.sent))
            self.sent += 1

    def append(self, packet: bytes) -> None:
        """One packet arrives."""
        assert self._writer
        append(self._writer, packet)

    def make(self) -> list[Output]:
        """The outputs, not running."""
        assert self._settings
        return make_outputs(self._settings, self.counters)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[Output]]:
        """The outputs, running; stopped in an orderly way at the end."""
        outputs = self.make()
        stopping = asyncio.Event()
        task = asyncio.create_task(run_outputs(outputs, stopping))
        try:
            yield outputs
        finally:
            stopping.set()
            await task

    def close(self) -> None:
        """End the writer."""
        if self._writer:
            self._writer.close()
        self.counters.close()


@pytest.fixture
def output_trial(journal: Path) -> Iterator[OutputTrial]:
    """To be configured by the test."""
    trial = OutputTrial(journal)
    yield trial
    trial.close()


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Wait for something that happens in other threads or tasks."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.02)
