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

from collector.doctor import certificate, database, node, sites, trace, web
from collector.doctor.finding import Finding, Level, report
from collector.errors import KemiscopeError
from collector.journal.counters import Counters, NodeField
from collector.settings import Settings


def run(settings: Settings, *, as_json: bool) -> int:
    """Print the report; returns 1 if anything failed, else 0."""
    findings = asyncio.run(examine(settings))
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        sys.stdout.write(report(findings))
    return int(any(finding.level is Level.FAIL for finding in findings))


def health(settings: Settings) -> int:
    """Whether packets can be taken and stored now, in one line; returns 1 if not.

    For a container's health check: it looks at sockets, processes, journal and database only.
    """
    failed = [one for one in asyncio.run(_storing(settings)) if one.level is Level.FAIL]
    sys.stdout.write(report(failed) if failed else "takes packets and stores them\n")
    return int(bool(failed))


async def _storing(settings: Settings) -> list[Finding]:
    counters = Counters(Path(settings.journal.directory))
    try:
        found = [
            *node.check_sockets(settings),
            *node.check_processes(settings, counters),
            *node.check_journal(settings, counters),
            *await database.check(settings, counters),
        ]
        if node.store_down_since(counters) or counters.node[NodeField.PAUSED_AT]:
            advice = "`python -m collector doctor` and the log of ingest say why"
            found.append(Finding("journal", Level.FAIL, "storing has paused", advice))
        return found
    finally:
        counters.close()


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
    findings += await sites.check(settings)
    findings += await asyncio.to_thread(lambda: [*trace.check(settings)])
    return findings
