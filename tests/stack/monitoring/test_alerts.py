# SPDX-License-Identifier: GPL-2.0-or-later
"""The alert rules in Prometheus' own words: promtool checks and runs them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.prometheus import FILES

RULES = FILES / "alerts.yml"
CASES = Path(__file__).parents[2] / "data" / "alerts_test.yml"


def test_every_alert_fires_in_trouble_and_none_without() -> None:
    """The cases name every rule there is."""
    done = _promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    assert alerts == set(re.findall(r'alertname="(\w+)"', CASES.read_text()))


def test_prometheus_takes_the_files_as_they_are() -> None:
    """The scrape jobs, and the rules that they name."""
    done = _promtool("check", "config", FILES / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
