# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector replay quarantine`` and ``replay FILE``."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections import Counter
from typing import Final

from collector import migrate
from collector.causes import CAUSES, Cause, Outcome
from collector.pool import connect
from collector.replay.quarantine import Replay
from collector.settings import Settings

QUARANTINE: Final = "quarantine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run`` and ``run_file`` look at."""
    parser.add_argument(
        "what", metavar="quarantine|FILE", help="the packets in quarantine, or a pcap or pcapng"
    )
    rejected = [cause.label for cause in CAUSES if cause.outcome is Outcome.REJECTED]
    of_quarantine = parser.add_argument_group("of the quarantine")
    of_quarantine.add_argument(
        "--cause", choices=rejected, metavar="CAUSE", help="only what was rejected for this"
    )
    of_quarantine.add_argument(
        "--dry-run", action="store_true", help="only say what would become of them"
    )
    of_file = parser.add_argument_group("of a capture file")
    of_file.add_argument(
        "--shift", choices=("now",), help="move all times so that the last packet is now"
    )


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Replay the quarantine; returns 1 when some of it stays there. Raises psycopg.Error."""
    fates = asyncio.run(_run(settings, options))
    for cause, count in sorted(fates.items()):
        verb = "would be" if options.dry_run else "are"
        sys.stdout.write(f"{count:,} {verb} {cause.outcome}, {cause.label}: {cause.help}\n")
    if not fates:
        sys.stdout.write("the quarantine has none\n")
    return int(any(cause.outcome is Outcome.REJECTED for cause in fates))


async def _run(settings: Settings, options: argparse.Namespace) -> Counter[Cause]:
    async with await connect(settings) as connection:
        await migrate.check(connection)
        replay = Replay(connection, settings)
        await replay.run(options.cause, dry=options.dry_run)
        return replay.fates


def run_file(options: argparse.Namespace) -> int:
    """Send a capture file to the capture node: the web API's command does it.

    Reading frames is the agent's, and this package stands below both, so it runs as a program.
    """
    command = [sys.executable, "-m", "webapi"]
    if options.config:
        command += ["--config", str(options.config)]
    command += ["import", options.what]
    if options.shift:
        command += ["--shift", options.shift]
    # Our own program, and what the operator has typed as its arguments.
    return subprocess.run(command, check=False).returncode  # noqa: S603
