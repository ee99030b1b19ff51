# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the ingest processes of a node read their settings again, and hears what came of it.

The command sends SIGHUP; each process leaves its answer in a file beside the journal. Answers hold
names of settings, never values.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from collector.journal.counters import Counters, Field, Role, held
from collector.output import configured
from collector.settings.change import Change

ANSWER_S: Final = 10.0
"""A process answers between two transactions."""
_POLL_S: Final = 0.05


class Answer(msgspec.Struct, frozen=True):
    """What became of the settings in one process."""

    at: int
    """ns since 1970."""
    error: str = ""
    """Why nothing was changed; empty when the settings are good."""
    node: tuple[str, ...] = ()
    web: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    """As in ``Change``."""

    @classmethod
    def to(cls, change: Change) -> Answer:
        """The answer to a change."""
        outputs = change.outputs if configured.limits(change.in_force) else ()
        return cls(time.time_ns(), node=change.node, web=change.web, outputs=outputs)

    def lines(self) -> Iterator[str]:
        """What an operator must know; nothing when all is in force."""
        if self.error:
            yield f"nothing was changed: {self.error}"
        for names, text in (
            (self.node, "waits for a restart of the capture node"),
            (self.web, "waits for a restart of the web API"),
            (self.outputs, "waits for a restart of the capture node as far as outputs go by it"),
        ):
            if names:
                yield f"{text}: {', '.join(names)}"


def leave(journal: Path, slot: int, answer: Answer) -> None:
    """Leave an answer for the one who sent the signal. Raises OSError."""
    path = _path(journal, slot)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(answer))
    fresh.rename(path)


def withdraw(journal: Path, slot: int) -> None:
    """Remove the answer of a process that ends."""
    with suppress(OSError):
        _path(journal, slot).unlink(missing_ok=True)


def reload(journal: Path, timeout_s: float | None = None) -> list[Answer | None]:
    """Send SIGHUP to every ingest process that lives; returns their answers.

    None stands for a process that has not answered within ``timeout_s``, by default ``ANSWER_S``.
    """
    since = time.time_ns()
    slots = signal_all(journal)
    deadline = time.monotonic() + (ANSWER_S if timeout_s is None else timeout_s)
    answers = dict.fromkeys(slots)
    while None in answers.values() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        answers = {slot: _read(journal, slot, since) for slot in slots}
    return list(answers.values())


def signal_all(journal: Path) -> list[int]:
    """Send SIGHUP to every ingest process that lives; returns their slots."""
    counters = Counters(journal)
    told = []
    for number in counters.used_slots():
        slot = counters.slot(number)
        role, pid = slot[Field.ROLE], slot[Field.PID]
        slot.release()
        if role == Role.INGEST:
            with held(journal / f"{number:02d}") as is_free, suppress(ProcessLookupError):
                if not is_free:
                    os.kill(pid, signal.SIGHUP)
                    told.append(number)
    counters.close()
    return told


def _read(journal: Path, slot: int, since: int) -> Answer | None:
    try:
        found = msgspec.json.decode(_path(journal, slot).read_bytes(), type=Answer)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.at >= since else None


def _path(journal: Path, slot: int) -> Path:
    return journal / f"reload-{slot:02d}"
