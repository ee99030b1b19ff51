# SPDX-License-Identifier: GPL-2.0-or-later
"""`make run`, `make demo`, `make doctor` and `make stop` in a clean clone, as a new user does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from stack.ports import free_port
from stack.service import ROOT

MAKE_S = 300


class Clone:
    """A clone of this repository with ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        hep = free_port()
        self.web = f"127.0.0.1:{free_port()}"
        self.password = ""
        """Of the user admin, as `make run` prints it."""
        self._environment = {
            **{name: value for name, value in os.environ.items() if "KEMISCOPE" not in name},
            "KEMISCOPE_HEP_LISTEN": f"udp:127.0.0.1:{hep},tcp:127.0.0.1:{hep}",
            "KEMISCOPE_WEB_LISTEN": self.web,
        }

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        """Run one target."""
        return subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAKE_S,
        )

    def status(self) -> Any:
        """What the web API says to the user that `make run` has made."""
        with closing(HTTPConnection(self.web, timeout=5)) as connection:
            body = json.dumps({"username": "admin", "password": self.password})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/sign-in", body, headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
            connection.request("GET", "/api/v1/status", headers={"Cookie": cookie})
            return json.load(connection.getresponse())


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The last commit, in a directory that only its owner may enter."""
    outer = tmp_path_factory.mktemp("clone")
    outer.chmod(0o700)
    directory = outer / "kemiscope"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(directory)], check=True)
    made = Clone(directory)
    try:
        yield made
    finally:
        made.make("stop")


@pytest.mark.timeout(2 * MAKE_S)
def test_run_reads_its_packet_back(clone: Clone) -> None:
    """Installs, starts, proves it, and says where to look; twice is harmless."""
    first = clone.make("run")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "one HEP packet sent, and read back through the API" in first.stdout
    assert f"http://{clone.web}/api/v1/messages" in first.stdout
    clone.password = first.stdout.partition("user admin, password ")[2].split()[0]
    assert (clone.directory / "kemiscope.toml").stat().st_mode & 0o077 == 0
    second = clone.make("run")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "already" in second.stdout
    assert "self test" in second.stdout
    assert "password" not in second.stdout


@pytest.mark.timeout(MAKE_S)
def test_demo_places_its_calls(clone: Clone) -> None:
    """All kinds of calls, and one of them drawn."""
    done = clone.make("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("answered", "busy", "cancelled", "not-found", "no-answer", "hold", "second-leg"):
        assert name in done.stdout
    assert "INVITE" in done.stdout.partition("as the capture node has it")[2]
    (node,) = clone.status()["nodes"]
    assert node["unaccounted"] == 0
    assert node["outcomes"]["stored"] > 80


@pytest.mark.timeout(MAKE_S)
def test_doctor_finds_nothing_wrong(clone: Clone) -> None:
    """Every station of a packet's way is in order."""
    done = clone.make("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " fail " not in done.stdout
    assert " warn " not in done.stdout
    assert "received = 0 waiting" in done.stdout


@pytest.mark.timeout(MAKE_S)
def test_a_taken_port_is_named_with_its_holder(clone: Clone, tmp_path: Path) -> None:
    """A second stack on the same ports says who has them and what to change."""
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(other)], check=True)
    (other / ".venv").symlink_to(clone.directory / ".venv")
    rival = Clone(other)
    rival._environment |= {
        name: value for name, value in clone._environment.items() if "KEMISCOPE" in name
    }
    done = rival.make("run")
    assert done.returncode != 0
    assert "Address already in use; kamailio (pid" in done.stderr
    assert "hep.listen" in done.stderr
    assert clone.make("status").stdout.startswith("capture")


@pytest.mark.timeout(MAKE_S)
def test_stop_stops_everything(clone: Clone) -> None:
    """Nothing of the clone runs afterwards, and stopping twice is harmless."""
    assert clone.make("stop").returncode == 0
    assert _running(clone) == []
    again = clone.make("stop")
    assert (again.returncode, "nothing was running" in again.stdout) == (0, True)


def _running(clone: Clone) -> list[str]:
    """Command lines of processes that work in the clone."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                directory = (process / "cwd").readlink()
            except OSError:
                continue
            if str(clone.directory) in f"{command} {directory}":
                found.append(command)
    return found
