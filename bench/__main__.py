# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m bench [--quick] [scenario ...]``: measure, print, and keep the results.

Everything runs in fresh directories under var/bench/, on free ports of the loopback, and is gone
afterwards, also when SIGINT or SIGTERM ends it before its time; only the directory of a scenario
that failed is left, for its logs.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Protocol

from bench import (
    burst,
    calls,
    export,
    hop,
    limit,
    machine,
    processes,
    rates,
    report,
    scratch,
    search,
    selection,
    soak,
    start,
    streams,
    sustained,
)
from bench.agent import capture as agent_capture
from bench.agent import outage as agent_outage
from bench.api import scenario as api
from bench.edge import comparison as edge
from bench.pages import scenario as pages
from bench.report import Section
from bench.sipcapture import comparison
from collector.errors import KemiscopeError

RESULTS: Final = Path(__file__).resolve().parent / "results"


class Scenario(Protocol):
    """What each scenario is: a function that works in a directory of its own."""

    def __call__(self, scratch: Path, /, *, quick: bool) -> Section:
        """``quick`` is a short form that shows only that it works."""


EDGE: Final = "edge"
SOAK: Final = "soak"
SCENARIOS: Final[dict[str, Scenario]] = {
    "limit": limit.run,
    "hop": hop.run,
    "selection": selection.run,
    "start": start.run,
    "calls": calls.run,
    "sustained": sustained.run,
    "rates": rates.run,
    "processes": processes.run,
    "burst": burst.run,
    "streams": streams.run,
    "search": search.run,
    "api": api.run,
    "pages": pages.run,
    "export": export.run,
    EDGE: edge.run,
    "sipcapture": comparison.run,
    "agent": agent_capture.run,
    "agent-outage": agent_outage.run,
    SOAK: soak.run,
}
DEFAULT: Final = [name for name in SCENARIOS if name != SOAK]
"""The others; that one takes half an hour."""


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default: all but {SOAK}"
    )
    parser.add_argument("--quick", action="store_true", help="short runs: does the harness work?")
    parser.add_argument(
        "--messages", type=int, default=0, help="size of the scenarios search, api and pages"
    )
    parser.add_argument("--seconds", type=int, default=0, help="length of the scenario soak")
    arguments = parser.parse_args()
    scenarios = SCENARIOS | {
        "search": partial(search.run, messages=arguments.messages),
        "api": partial(api.run, messages=arguments.messages),
        "pages": partial(pages.run, messages=arguments.messages),
        SOAK: partial(soak.run, seconds=arguments.seconds),
    }
    names = arguments.scenario or DEFAULT
    for name in names:
        if name not in SCENARIOS:
            parser.error(f"there is no scenario {name!r}: choose from {', '.join(SCENARIOS)}")
    signal.signal(signal.SIGTERM, _end)
    facts = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **machine.facts()}
    if names != [EDGE]:  # which has calls of its own
        facts |= machine.traffic()
    sections = []
    for name in names:
        print(f"{name} …", flush=True)
        started = time.monotonic()
        try:
            sections.append(_in_scratch(scenarios[name], quick=arguments.quick))
        except KemiscopeError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    path = RESULTS / _stem(names, quick=arguments.quick)
    report.write(path, facts, sections)
    print(report.markdown(facts, sections))
    return 0


def _end(number: int, _frame: object) -> NoReturn:
    """End as after SIGINT: by an exception, so that every stack is stopped on the way out."""
    signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt that
    sys.exit(128 + number)


def _in_scratch(scenario: Scenario, *, quick: bool) -> Section:
    with scratch.directory() as directory:
        return scenario(directory, quick=quick)


def _stem(names: list[str], *, quick: bool) -> str:
    """A file name that a full run never shares with a partial one."""
    parts = [f"{datetime.now(UTC):%Y-%m-%d}"]
    parts += names if names != DEFAULT else []
    parts += ["quick"] if quick else []
    return "-".join(parts)


if __name__ == "__main__":
    sys.exit(main())
