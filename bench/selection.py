# SPDX-License-Identifier: GPL-2.0-or-later
"""What each step between decoding and storing costs, on top of the hop."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from bench.hop import MESSAGES, OPTIONS, QUICK_ROUNDS, ROUNDS, journal_bytes
from bench.report import Section, Table
from collector import hop, settings
from collector.hop import Batch
from collector.selection import Selection

_HOOK: Final = """
def tenant(message):
    if message.fields["from_domain"] == "nowhere.example":
        message.headers["tenant"] = "a"
"""
STEPS: Final[dict[str, dict[str, str]]] = {
    "nothing": {},
    "filter.discard_addresses": {"FILTER_DISCARD_ADDRESSES": "192.0.2.77,2001:db8::/32"},
    "filter.discard_methods": {"FILTER_DISCARD_METHODS": "PUBLISH,KDMQ"},
    "filter.discard_user_agents": {"FILTER_DISCARD_USER_AGENTS": "scanner,sipvicious"},
    "filter.discard_expression, three conditions": {
        "FILTER_DISCARD_EXPRESSION": 'method == "PUBLISH" or status > 700 or'
        ' startswith(from_user, "nobody")'
    },
    "filter.discard_expression, one pattern": {
        "FILTER_DISCARD_EXPRESSION": 'matches(user_agent, "^(no|body)+$")'
    },
    "filter.sample_call": {"FILTER_SAMPLE_CALL": "99.99"},
    "filter.duplicate_window": {"FILTER_DUPLICATE_WINDOW": "400ms"},
    "filter.censor_methods": {"FILTER_CENSOR_METHODS": "MESSAGE"},
    "correlation.headers, sip.custom_headers": {
        "CORRELATION_HEADERS": "X-CID",
        "SIP_CUSTOM_HEADERS": "X-Tenant",
    },
    "hook.file, one small function": {"HOOK_FILE": "hook.py"},
}
"""Settings of which none leaves a message of the mix out."""


def run(scratch: Path, *, quick: bool) -> Section:
    """The hop once with each step alone, in turns, so that a busy moment hits all alike."""
    (scratch / "hook.py").write_text(_HOOK)
    buffer = journal_bytes()
    selections = {name: _selection(scratch, step) for name, step in STEPS.items()}
    best = dict.fromkeys(STEPS, float("inf"))
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for name, selection in selections.items():
            options = OPTIONS._replace(selection=selection if selection.is_needed else None)
            started = time.perf_counter()
            hop.encode(buffer, Batch(), options, MESSAGES)
            best[name] = min(best[name], (time.perf_counter() - started) / MESSAGES * 1e6)
    base = best["nothing"]
    return Section(
        "selection",
        "what each step of the selection costs",
        f"µs per message on top of a hop of {base:.1f} µs, best of several rounds.",
        [Table(["step", "µs"], [[name, f"{us - base:.2f}"] for name, us in best.items()])],
        data=best,
    )


def _selection(scratch: Path, step: dict[str, str]) -> Selection:
    variables = {f"KEMISCOPE_{name}": value for name, value in step.items()}
    if "KEMISCOPE_HOOK_FILE" in variables:
        variables["KEMISCOPE_HOOK_FILE"] = str(scratch / "hook.py")
    variables |= {
        "KEMISCOPE_CONFIG": os.devnull,
        "KEMISCOPE_JOURNAL_DIRECTORY": str(scratch),
    }
    selection = Selection(settings.load(None, variables))
    selection.open()
    return selection
