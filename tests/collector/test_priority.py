# SPDX-License-Identifier: GPL-2.0-or-later
"""Niceness, in processes of their own: what is set cannot be taken back without a right."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _outcome(call: str, before: str = "") -> str:
    name = call.partition("(")[0]
    script = (
        f"import os\nfrom collector.priority import {name}\n{before}\n"
        f"print({call}, os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_gives_way() -> None:
    """As much as is asked for, and no less than before."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert _outcome("give_way(15)") == f"None {max(own, 15)}"
    assert _outcome("give_way(3)", "os.nice(19)") == "None 19"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go first")
def test_goes_first() -> None:
    """And leaves alone what goes before already, or what nobody wants changed."""
    assert _outcome("go_first(-7)") == f"True {min(os.getpriority(os.PRIO_PROCESS, 0), -7)}"
    assert _outcome("go_first(-7)", "os.nice(-20)") == "True -20"
    assert _outcome("go_first(0)", "os.setpriority(0, 0, 5)") == "True 5"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_the_right_all_goes_on() -> None:
    """Said, not raised."""
    before = "import resource; resource.setrlimit(resource.RLIMIT_NICE, (0, 0)); "
    before += "os.setpriority(0, 0, 0); os.setuid(65534)"
    assert _outcome("go_first(-7)", before) == "False 0"
