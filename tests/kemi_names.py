# SPDX-License-Identifier: GPL-2.0-or-later
"""The names that real KEMI exports; ``python -m tests.kemi_names`` writes them to their file."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stack.ports import free_port
from stack.service import KAMAILIO_CFG, ROOT, kamailio_program

_DATA: Final = Path(__file__).with_name("data")
_EDGE: Final = ROOT / "kemi" / "edge"
CONFIGS: Final[Mapping[str, tuple[Path, ...]]] = {
    "capture": (KAMAILIO_CFG,),
    "edge": tuple(_EDGE / name for name in ("proxy.cfg", "trace.cfg", "trace-control.cfg")),
}
"""Who runs scripts of ours, and the files that say which modules are loaded there."""
_NOT_LOADED: Final = "tls.so"
"""Exports nothing that our scripts use, and wants certificates."""
_HEADER: Final = """\
# What KEMI exports in Kamailio 5.6 with the modules that {files} load: the answer of its
# RPC app_python.api_list. Made by `python -m tests.kemi_names`; a test compares.
"""
_SCRIPT: Final = """\
class Routes:
    def child_init(self, rank):
        return 0


def mod_init():
    return Routes()
"""
_FUNCTION: Final = re.compile(r"module:[ \t]*(\S*)\s+name:[ \t]*(\S+)")
_LOADED: Final = re.compile(r'^loadmodule "(.+)"$', re.MULTILINE)
_START_S: Final = 20.0


def file(node: str) -> Path:
    """Where the names of a node are stored; ``node`` is one of ``CONFIGS``."""
    return _DATA / f"kemi_names_{node}.txt"


def stored(node: str) -> frozenset[str]:
    """The names in the file, as ``pv.get`` or ``dbg``."""
    lines = file(node).read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def exported(node: str, directory: Path) -> frozenset[str]:
    """The names that a real Kamailio exports; its files are kept in ``directory``."""
    control = directory / "ctl"
    script = directory / "routes.py"
    script.write_text(_SCRIPT)
    config = directory / "kamailio.cfg"
    config.write_text(_config(node, control, script))
    command = [kamailio_program(), "-f", str(config), "-DD", "-E", "-Y", str(directory)]
    with (directory / "log").open("wb") as log:
        kamailio = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        listing = _ask(control, kamailio, directory)
    finally:
        kamailio.terminate()
        kamailio.wait()
    return frozenset(
        f"{module}.{name}" if module else name for module, name in _FUNCTION.findall(listing)
    )


def _config(node: str, control: Path, script: Path) -> str:
    found = [name for path in CONFIGS[node] for name in _LOADED.findall(path.read_text())]
    modules = [*(name for name in dict.fromkeys(found) if name != _NOT_LOADED), "ctl.so"]
    return "\n".join(
        (
            "#!KAMAILIO",
            *("debug=1", "children=1", "disable_tcp=yes", "auto_aliases=no", "dns=no"),
            f"listen=udp:127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
            *(f'loadmodule "{module}"' for module in modules),
            f'modparam("ctl", "binrpc", "unix:{control}")',
            f'modparam("app_python3", "load", "{script}")',
            *(
                'modparam("siptrace", "trace_to_database", 0)'
                for name in modules
                if name == "siptrace.so"
            ),
            'cfgengine "python"',
            "event_route[nosip:msg] { return; }",
            "event_route[xhttp:request] { return; }\n",
        )
    )


def _ask(control: Path, kamailio: subprocess.Popen[bytes], directory: Path) -> str:
    command = ["kamcmd", "-s", f"unix:{control}", "app_python.api_list"]
    deadline = time.monotonic() + _START_S
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and "methods" in done.stdout:
            return done.stdout
        if kamailio.poll() is not None or time.monotonic() > deadline:
            log = (directory / "log").read_text(errors="replace")
            message = f"Kamailio does not answer: {done.stderr}{done.stdout}{log}"
            raise RuntimeError(message)
        time.sleep(0.1)


if __name__ == "__main__":
    for node, paths in CONFIGS.items():
        with tempfile.TemporaryDirectory() as temporary:
            names = sorted(exported(node, Path(temporary)))
        files = " and ".join(str(path.relative_to(ROOT)) for path in paths)
        file(node).write_text(_HEADER.format(files=files) + "\n".join(names) + "\n")
        sys.stdout.write(f"{node}: {len(names)} names\n")
