# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector doctor``: why is there no data?

Follows the way of a packet, from the socket to the row, and says at each station what it finds and
what to do about it. Works with the database away: the journal and its counters tell then.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from collector.doctor import certificate, database, node, trace, web
from collector.doctor.finding import Finding, Level, report
from collector.errors import KemiscopeError
from collector.journal.counters import Counters
from collector.settings import Settings


def run(settings: Settings, *, as_json: bool) -> int:
    """Print the report; returns 1 if anything failed, else 0."""
    findings = asyncio.run(examine(settings))
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        sys.stdout.write(report(findings))
    return int(any(finding.level is Level.FAIL for finding in findings))


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order of a packet's way."""
    findings = [
        *node.check_sockets(settings),
        *certificate.check(settings.tls),
        *web.check(settings),
    ]
    try:
        counters = Counters(Path(settings.journal.directory))
    except KemiscopeError as error:
        advice = "check that this user may use the directory"
        return [*findings, Finding("journal", Level.FAIL, str(error), advice)]
    try:
        findings += node.check_processes(settings, counters)
        findings += node.check_packets(counters)
        findings += node.check_refused(settings)
        findings += node.check_kernel(counters)
        findings += node.check_journal(settings, counters)
        findings += node.check_outputs(settings, counters)
        findings += await database.check(settings, counters)
    finally:
        counters.close()
    findings += await asyncio.to_thread(lambda: [*trace.check(settings)])
    return findings
