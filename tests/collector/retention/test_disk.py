# SPDX-License-Identifier: GPL-2.0-or-later
"""Is the database on this host, and where are its files?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.retention import disk
from collector.retention.measure import measure
from stack.postgres import Cluster

WHO = ("writer", "kemiscope")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with a backend 20 of the postmaster 10."""
    for pid, title in ((10, "postgres\0-D\0/srv/pg\0"), (20, "postgres: writer kemiscope idle\0")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_text(title)
        (tmp_path / str(pid) / "status").write_text("Name:\tpostgres\nPPid:\t10\n")
    (tmp_path / "10" / "cwd").symlink_to("/data/pg")
    monkeypatch.setattr(disk, "_PROC", tmp_path)
    return tmp_path


def test_the_postmasters_directory(proc: Path) -> None:
    """It works there; paths go through the postmaster's own view of the mounts."""
    found = disk.find_server(20, *WHO, None)
    assert found == (f"{proc}/10/root", f"{proc}/10/cwd", "/data/pg", "")


@pytest.mark.parametrize(
    ("told", "directory"), [(None, "/srv/pg"), ("/told", "/told"), ("/proc/self/fd/4", "")]
)
def test_without_leave_to_look_it_is_what_the_server_says(
    proc: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, directory: str
) -> None:
    """Its answer, else its command line; a path that only it can resolve is none."""

    def refuse(_path: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "readlink", refuse)
    found = disk.find_server(20, *WHO, told)
    assert found.directory == directory
    assert bool(found.why) == (directory == "")
    assert proc.exists()


@pytest.mark.parametrize("backend", [10, 99])
def test_a_process_that_is_not_our_backend(proc: Path, backend: int) -> None:
    """The server's numbers mean something else here: it runs on another host or in a container."""
    assert "not run on this host" in disk.find_server(backend, *WHO, "/told").why
    assert "not run on this host" in disk.find_server(20, "other", "kemiscope", "/told").why
    assert proc.exists()


def test_use_is_what_df_says(tmp_path: Path) -> None:
    """Blocks that only root may fill are neither used nor free."""
    found = disk.look_at(str(tmp_path))
    stat = os.statvfs(tmp_path)
    free = stat.f_bavail * stat.f_frsize
    assert found.size - found.used == pytest.approx(free, abs=1 << 30)
    assert 0 < found.used < found.size
    assert found.device == tmp_path.stat().st_dev


async def test_a_real_server_is_found(
    connection: AsyncConnection[TupleRow], cluster: Cluster
) -> None:
    """The one of the tests, which was given its directory as a descriptor."""
    measured = await measure(connection)
    (found,) = measured.disks
    assert measured.unwatched == ""
    assert found.path == str(cluster.directory / "data")
    assert found.device == cluster.directory.stat().st_dev
    assert {part.device for part in measured.parts} == {found.device}


async def test_a_path_of_the_settings(
    connection: AsyncConnection[TupleRow], tmp_path: Path
) -> None:
    """It is believed; when it cannot be read, that is said."""
    (found,) = (await measure(connection, str(tmp_path))).disks
    assert found.path == str(tmp_path)
    measured = await measure(connection, str(tmp_path / "missing"))
    assert measured.disks == []
    assert "missing" in measured.unwatched
