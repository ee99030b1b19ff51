# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures were measured on: machine, programs, kernel settings, state of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import psycopg

from bench import mix
from collector import __version__
from stack.postgres import binary
from stack.service import ROOT, kamailio_program


def facts() -> dict[str, str]:
    """By name, in the order of the report; no paths and no host names."""
    return {
        "machine": f"{os.cpu_count()} cores, {_cpu_model()}, {_memory_gib()} GiB",
        "kernel": f"Linux {platform.release()}, net.core.rmem_max {_rmem_max()}",
        "kemiscope": f"{__version__}, commit {_commit()}",
        "Kamailio": _first_line([kamailio_program(), "-v"]).removeprefix("version: kamailio "),
        "PostgreSQL": _first_line([binary("postgres"), "--version"]).split()[2],
        "Python": f"{platform.python_version()}, psycopg {psycopg.__version__}",
        "where": "everything on this one machine, over the loopback",
    }


def traffic() -> dict[str, str]:
    """What the capture node gets to store, in the same form."""
    smallest, mean, largest = mix.sip_sizes()
    packets = mix.packets()
    hep = sum(map(len, packets)) / len(packets)
    return {
        "traffic": f"{len(packets)} kinds of SIP messages of {smallest} to {largest} bytes, mean "
        f"{mean:.0f}, in HEP3 packets of {hep:.0f} bytes on average, over UDP; the messages of a "
        f"call are {len(packets) * mix.SPREAD + 1} packets apart",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    return round(int(Path("/proc/meminfo").read_text().split()[1]) / (1 << 20))


def _rmem_max() -> str:
    return Path("/proc/sys/net/core/rmem_max").read_text().strip()


def _commit() -> str:
    """Short name of the commit, and whether the programs differ from it."""
    commit = _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    measured = ["agent", "collector", "kemi", "sql", "kamailio.cfg", "bench", "stack"]
    command = ["git", "-C", str(ROOT), "status", "--porcelain", "-uno", "--", *measured]
    return commit + (", with changes" if _first_line(command) else "")


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0].strip()
