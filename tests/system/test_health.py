# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector health``: what a container's health check asks."""

from __future__ import annotations

import subprocess
import sys

from stack.trial import Trial
from tests.fix_trial import MakeTrial


def test_healthy_is_who_can_store(make_trial: MakeTrial) -> None:
    """Not before the database is there, nor while it is away or storing is paused."""
    trial = make_trial()
    trial.start_capture()
    _wait(trial, healthy=False)
    trial.start_database()
    _wait(trial, healthy=True)
    _collector(trial, "pause")
    _wait(trial, healthy=False)
    _collector(trial, "resume")
    _wait(trial, healthy=True)
    trial.cluster.stop()
    _wait(trial, healthy=False)
    trial.start_database(migrate=False)
    _wait(trial, healthy=True)
    assert trial.kamailio
    trial.kamailio.kill()
    status, said = _health(trial)
    assert status == 1
    assert "nobody listens" in said


def _wait(trial: Trial, *, healthy: bool) -> None:
    trial.wait(lambda: (_health(trial)[0] == 0) == healthy, f"healthy to be {healthy}")


def _health(trial: Trial) -> tuple[int, str]:
    return _collector(trial, "health")


def _collector(trial: Trial, name: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "collector", name]
    done = subprocess.run(
        command, env=trial.environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout
