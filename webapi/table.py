# SPDX-License-Identifier: GPL-2.0-or-later
"""What commands print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from collector.log import one_line


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Lines in columns. Text in it comes from others: nothing reaches the terminal that it takes
    for a command."""
    cells = [[one_line(str(cell)) for cell in line] for line in (head, *lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(padded).rstrip())


def say(text: str) -> None:
    """One line."""
    sys.stdout.write(text + "\n")
