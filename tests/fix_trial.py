# SPDX-License-Identifier: GPL-2.0-or-later
"""Real stacks for system tests: started on free ports, stopped whatever the test does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from stack.trial import Trial


class MakeTrial(Protocol):
    """Makes a stack whose parts the test starts itself."""

    def __call__(self, *, streams: Sequence[str] = (), **settings: dict[str, Any]) -> Trial:
        """``settings`` are sections of the settings file; ``streams`` as for ``Trial``."""


@pytest.fixture
def make_trial(tmp_path: Path) -> Iterator[MakeTrial]:
    """A factory of stacks with settings of the test's choice."""
    trials: list[Trial] = []

    def make(*, streams: Sequence[str] = (), **settings: dict[str, Any]) -> Trial:
        trial = Trial(tmp_path / f"stack{len(trials)}", settings, streams=streams)
        trials.append(trial)
        return trial

    yield make
    for trial in trials:
        trial.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A stack with all parts running, shared by the tests of a module."""
    trial = Trial(tmp_path_factory.mktemp("running"))
    try:
        trial.start_database()
        trial.start_capture()
        trial.start_webapi()
        yield trial
    finally:
        trial.stop()
