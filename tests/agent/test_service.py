# SPDX-License-Identifier: GPL-2.0-or-later
"""The systemd unit: systemd takes it, the agent takes its command line, and it has one right."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

import agent
from agent.flags.options import read_options

UNIT: Final = Path(agent.__file__).with_name("hepagent.service")


def _setting(name: str) -> str:
    found = re.findall(rf"^{name}=((?:.*\\\n)*.*)$", UNIT.read_text(), re.MULTILINE)
    assert len(found) == 1, name
    return str(found[0]).replace("\\\n", " ")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Without a word: what it does not know, it only mentions."""
    unit = tmp_path / "hepagent.service"
    program = _setting("ExecStart").split()[0]
    assert program == "hepagent"  # systemd looks in /usr/local/bin and /usr/bin
    # It wants to see the program.
    unit.write_text(
        UNIT.read_text().replace(f"ExecStart={program}", f"ExecStart={shutil.which('true')}")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert (done.returncode, said) == (0, [])


def test_the_agent_takes_the_command_line_of_the_unit() -> None:
    """The spool is on in the directory that the unit makes, and the user's own flags win."""
    line = _setting("ExecStart").replace("%S", "/var/lib")
    before, variable, after = line.partition("$HEPAGENT_FLAGS")
    assert variable
    assert not after
    flags = [*shlex.split(before)[1:], "-hs", "192.0.2.10:9060", "-hep-buffer-max-size", "5GB"]
    options = read_options(flags)
    assert options.hep_buffer_activate
    assert options.hep_buffer_file.parent == Path("/var/lib") / _setting("StateDirectory")
    assert options.hep_buffer_max_size == 5 << 30
    assert options.e
    assert options.notices == ()


def test_the_unit_gives_the_right_to_capture_and_no_other() -> None:
    """To a user that exists only as long as the agent runs."""
    assert _setting("AmbientCapabilities") == _setting("CapabilityBoundingSet") == "CAP_NET_RAW"
    assert _setting("DynamicUser") == _setting("NoNewPrivileges") == "yes"
    assert _setting("Restart") == "always"


def test_systemd_is_told_what_it_waits_for() -> None:
    """The parent of the agent's processes says that it is ready, and pings (agent/process.py)."""
    assert _setting("Type") == "notify"
    assert _setting("WatchdogSec") == "60s"
