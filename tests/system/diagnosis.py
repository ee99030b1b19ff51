# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector doctor`` on a trial's host, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, NamedTuple

from collector.doctor import examine
from stack.service import ROOT
from stack.trial import Trial

_PATIENCE_S: Final = 30.0


class Report(NamedTuple):
    """What it said, and its exit status."""

    findings: list[dict[str, str]]
    status: int

    def says(self, check: str, level: str, *texts: str) -> bool:
        """Whether a finding of this kind has all of the texts, in itself or in its advice."""
        return any(
            (found["check"], found["level"]) == (check, level)
            and all(text in f"{found['text']} → {found['advice']}" for text in texts)
            for found in self.findings
        )


def doctor(trial: Trial, variables: Mapping[str, str] | None = None) -> Report:
    """Run it; ``variables`` are added to its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "collector", "doctor", "--json"],
        cwd=ROOT,
        env={**trial.environment, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return Report(json.loads(done.stdout), done.returncode)


def wait_for(trial: Trial, check: str, level: str, *texts: str) -> Report:
    """Its report, once it says so: counters are published every second."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        report = _examined(trial)
        if report.says(check, level, *texts):
            # By the command, which takes many times as long.
            report = doctor(trial)
            if report.says(check, level, *texts):
                return report
        shown = "\n".join(
            f"{found['check']} {found['level']} {found['text']} → {found['advice']}"
            for found in report.findings
        )
        assert time.monotonic() < deadline, f"doctor never said {check} {level} {texts}:\n{shown}"
        time.sleep(0.2)


def _examined(trial: Trial) -> Report:
    """What it would say, without its process."""
    found = asyncio.run(examine(trial.settings))
    return Report([asdict(one) for one in found], 0)
