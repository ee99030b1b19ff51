# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with nothing but Debian 12 and its systemd, in namespaces of its own: what is installed
there finds what a new host has, and reaches nobody."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SUITE: Final = "bookworm"
CACHE: Final = ROOT / "var" / "container"
"""Debian's files between two runs of the tests; what is missing is fetched again."""
ARCHIVES: Final = "/var/cache/apt/archives"
_INCLUDE: Final = "dbus,systemd,systemd-sysv"
_START_S: Final = 120.0
_STOP_S: Final = 60.0
_REBOOT: Final = 133
"""The status of systemd-nspawn with --keep-unit; who has started it is to do it again."""
# The mount namespace keeps what systemd-nspawn mounts from the host, and with an empty /run/systemd
# it takes this host for one whose systemd it need not ask.
_HIDDEN: Final = ("unshare", "--mount", "sh", "-c")
_SCRIPT: Final = 'mount -t tmpfs tmpfs /run/systemd && exec "$@"'
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Container:
    """One machine. It is off until ``boot``."""

    def __init__(self, directory: Path) -> None:
        """``directory`` becomes its root and takes its console's log."""
        self.root = directory / "root"
        self._log = directory / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        (CACHE / "archives").mkdir(parents=True, exist_ok=True)
        base = CACHE / f"{SUITE}.tar"
        if not base.exists():
            _make_base(base, directory / "base")
        self.root.mkdir()
        run("tar", "--extract", "--file", base, "--directory", self.root)
        # The machine is gone after the test: nothing has to outlive a power cut.
        (self.root / "etc/dpkg/dpkg.cfg.d/test").write_text("force-unsafe-io\n")

    def fetch(self, *packages: str) -> None:
        """Get packages of Debian, or what files of the machine need, while it is off."""
        get = "apt-get -q update && apt-get -q -y --no-install-recommends --download-only install"
        run(*self._nspawn(), "sh", "-c", f'{get} "$@"', "sh", *packages)

    def boot(self) -> None:
        """Turn it on and wait for the end of its start."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._nspawn("--private-network", "--console=passive", "--boot")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_started()

    def reboot(self) -> None:
        """As ``systemctl reboot`` on the machine does; systemd-nspawn ends and says so."""
        assert self._process
        self.call("systemctl", "reboot", check=False)
        assert self._process.wait(_STOP_S) == _REBOOT
        self.boot()

    def _wait_started(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            first = self.first_process
            if first:
                said = self.call("systemctl", "is-system-running", check=False)
                if said.strip() in ("running", "degraded"):
                    return
            time.sleep(0.2)
        raise AssertionError(self._log.read_text(errors="replace")[-3000:])

    def stop(self) -> None:
        """Turn it off."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                if first := self.first_process:
                    os.kill(first, signal.SIGKILL)
                self._process.kill()
                self._process.wait()

    @property
    def first_process(self) -> int:
        """Its systemd, as a process of this host; 0 while there is none."""
        assert self._process
        assert self._process.poll() is None, self._log.read_text(errors="replace")[-3000:]
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
            except FileNotFoundError:
                continue
        return 0

    def command(self, *command: str | Path) -> list[str]:
        """The command line that runs ``command`` as root on the machine."""
        variables = (f"{name}={value}" for name, value in _ENVIRONMENT.items())
        return [*self._enter("--all"), "env", "-i", *variables, *map(str, command)]

    def beside(self, *command: str | Path) -> list[str]:
        """The command line that runs a program of this host in the machine's network."""
        return [*self._enter("--net"), *map(str, command)]

    def call(self, *command: str | Path, check: bool = True) -> str:
        """Run a command as root on the machine; what it wrote."""
        return run(*self.command(*command), check=check)

    def _enter(self, what: str) -> list[str]:
        return ["nsenter", f"--target={self.first_process}", what]

    def _nspawn(self, *arguments: str) -> list[str]:
        return [
            *(*_HIDDEN, _SCRIPT, "sh", "systemd-nspawn", "--quiet", f"--directory={self.root}"),
            *("--register=no", "--keep-unit", f"--machine=test{os.getpid()}"),
            *(f"--bind={CACHE / 'archives'}:{ARCHIVES}", *arguments),
        ]


def _make_base(base: Path, directory: Path) -> None:
    """What debootstrap makes, from where this host's own packages come."""
    lines = run(
        *("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"),
        "Created-By: Packages",
    )
    found = re.search(rf"^{SUITE} (\S+)$", lines, re.MULTILINE)
    assert found, f"this host's sources have no {SUITE}"
    run("debootstrap", "--variant=minbase", f"--include={_INCLUDE}", SUITE, directory, found[1])
    run("chroot", directory, "apt-get", "clean")
    # systemd gives every machine one of its own.
    (directory / "etc/machine-id").write_text("")
    part = base.with_suffix(".part")
    run("tar", "--create", "--file", part, "--directory", directory, ".")
    part.rename(base)


def run(*command: str | Path, check: bool = True) -> str:
    """Run a program; what it wrote, to both. A failure shows it."""
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout[-3000:]}"
    return done.stdout
