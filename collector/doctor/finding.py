# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor finds, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collector.log import one_line


class Level(StrEnum):
    """How bad a finding is; ``FAIL`` makes the command end with status 1."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    level: Level
    text: str
    advice: str = ""


def report(findings: list[Finding]) -> str:
    """The findings as aligned text, nothing in it that a terminal would act on."""
    lines = []
    last = ""
    for finding in findings:
        check = finding.check if finding.check != last else ""
        last = finding.check
        lines.append(f"{check:<11} {finding.level:<5} {one_line(finding.text)}")
        if finding.advice:
            lines.append(f"{'':<17} → {one_line(finding.advice)}")
    return "\n".join(lines) + "\n"


def ago(seconds: float) -> str:
    """A span of time as people say it."""
    if seconds < 0:
        return f"{span(-seconds)} in the future"
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Seconds, minutes, hours or days, one digit behind the point where it helps."""
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"
