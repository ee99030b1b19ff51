# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of the stack."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.service import Service, system_python


def _foreign_python(directory: Path) -> dict[str, str]:
    """An environment in which another Python comes first, as with pyenv or conda."""
    (directory / "bin").mkdir()
    shutil.copy("/usr/bin/python3", directory / "bin" / "python3")
    library = directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (library / "lib-dynload").mkdir(parents=True)
    (library / "os.py").touch()
    return os.environ | {
        "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
        "PYTHONHOME": str(directory),
    }


def test_a_python_in_path_does_not_reach_kamailio(tmp_path: Path) -> None:
    """The embedded Python finds its own library whatever the shell of the user has active."""
    foreign = _foreign_python(tmp_path)
    command = ["python3", "-c", "import ssl, sys; print(sys.prefix)"]
    broken = subprocess.run(command, env=foreign, capture_output=True, text=True, check=False)
    assert broken.returncode, "the test does not show what it should"
    found = subprocess.run(
        command, env=system_python(foreign), capture_output=True, text=True, check=True
    )
    assert found.stdout == "/usr\n"


def test_a_missing_program_says_what_to_do(tmp_path: Path) -> None:
    """Instead of a traceback."""
    service = Service("x", ["no-such-program"], directory=tmp_path, environment=os.environ)
    with pytest.raises(StackError, match="no-such-program is missing: run `make install`"):
        service.start()


def test_stop_ends_the_children_as_well(tmp_path: Path) -> None:
    """Also those that ignore SIGTERM."""
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; sleep 60' & sleep 60"
    service = Service("x", ["sh", "-c", script], directory=tmp_path, environment=os.environ)
    service.start()
    child = tmp_path / "child"
    while not child.exists() or not child.read_text():
        time.sleep(0.01)
    service.stop(timeout_s=0.1)
    deadline = time.monotonic() + 5
    while _lives(int(child.read_text())):
        assert time.monotonic() < deadline, "the child lives"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
