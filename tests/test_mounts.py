# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests mount is seen by nobody else and left by nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fix_mounts import Mount

_MOUNTING = """
import sys
from pathlib import Path
from tests.fix_mounts import mounted
directory = Path(sys.argv[1])
with mounted(directory, "-t", "tmpfs", "tmpfs"):
    (directory / "inside").touch()
    print(str(directory) in Path("/proc/self/mounts").read_text(), flush=True)
    sys.stdin.read()
"""


def test_a_test_run_that_is_killed_leaves_no_mount(tmp_path: Path) -> None:
    """Neither then nor before does anybody outside see what it has mounted."""
    directory = tmp_path / "mounted"
    directory.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _MOUNTING, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout
        if run.stdout.readline() != "True\n":
            run.kill()
            pytest.skip("nothing can be mounted here")
        assert list(directory.iterdir()) == []
        run.kill()
        run.wait()
    assert str(directory) not in Path("/proc/self/mounts").read_text()


def test_a_mount_ends_with_its_test(mount: Mount, tmp_path: Path) -> None:
    """Also one that is still in use."""
    mount(tmp_path, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    (tmp_path / "inside").touch()
    assert str(tmp_path) in Path("/proc/self/mounts").read_text()
    assert str(tmp_path) not in Path(f"/proc/{_outside()}/mounts").read_text()


def _outside() -> int:
    """The process that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])
