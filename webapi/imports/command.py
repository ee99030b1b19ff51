# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi import FILE``: the same from the shell of the host, without the service."""

from __future__ import annotations

import argparse
import asyncio
import os
import stat
import sys
from pathlib import Path

import orjson

from collector.settings import Settings
from webapi.imports import job, process
from webapi.imports.job import ImportFault, Told
from webapi.imports.upload import path_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = "Send the messages of a capture file to the capture node."
    parser.add_argument("file", type=Path, metavar="FILE", help="pcap or pcapng, also gzip")
    parser.add_argument(
        "--shift", choices=("now",), help="move all times so that the last packet is now"
    )


def run(loaded: Settings, options: argparse.Namespace) -> int:
    """Returns the exit status: 0 all of it, 1 only a part. Raises ImportFault or OSError."""
    path: Path = options.file
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            message = f"{path} is no ordinary file"
            raise ImportFault("bad_capture_file", message)
        if found.st_size > loaded.web.max_import_bytes:
            message = f"{path} has {found.st_size} bytes, more than web.max_import_bytes"
            raise ImportFault("too_large", message)
        shift = options.shift == "now"
        made = job.make(loaded, path_of(file), path.name, shift=shift)
        result = asyncio.run(process.run(made, loaded.web.import_timeout, _show))
    sys.stdout.buffer.write(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    return int(bool(result["errors"]))


def _show(told: Told) -> None:
    sys.stderr.write(f"{told.frames} frames, {told.sent} messages sent\n")
