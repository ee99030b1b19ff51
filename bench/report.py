# SPDX-License-Identifier: GPL-2.0-or-later
"""Results: what a scenario hands back, and how it is printed and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NONE: Final = "-"
"""In a cell without a figure."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Columns padded, so that the text is readable as it is."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[n]) for line in lines) for n in range(len(self.head))]
        rule = ["-" * (width - 1) + (":" if n else "-") for n, width in enumerate(widths)]
        return "\n".join(_line(line, widths) for line in (self.head, rule, *self.rows))


@dataclass(slots=True)
class Section:
    """The results of one scenario. ``data`` holds every figure, for programs."""

    name: str
    title: str
    about: str
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """One chapter of the report."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        parts = [f"## {self.name}: {self.title}", self.about]
        parts += [table.markdown() for table in self.tables]
        return "\n\n".join([*parts, notes] if notes else parts) + "\n"


def markdown(facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The whole report."""
    head = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return "\n".join(["# Benchmark", "", head, "", *(part.markdown() for part in sections)])


def write(path: Path, facts: Mapping[str, str], sections: Sequence[Section]) -> None:
    """Write ``path`` with the suffixes .md and .json."""
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".md").write_text(markdown(facts, sections))
    data = {"facts": dict(facts), **{section.name: section.data for section in sections}}
    path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")


def number(value: float, digits: int = 0) -> str:
    """A number for people: 1,200,000 or 12.3."""
    return f"{value:,.{digits}f}"


def ratio(value: float, other: float) -> str:
    """How many times ``other`` goes into ``value``."""
    return f"{value / other:.2f}" if other else NONE


def quantile(values: Sequence[float], share: float) -> float:
    """The value within which that share of them lies; 0 when there are none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if n else cell.ljust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"
