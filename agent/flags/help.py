# SPDX-License-Identifier: GPL-2.0-or-later
"""``-help`` and ``-version``, in the form of Go's ``flag`` package."""

from __future__ import annotations

import json
from typing import Final

from agent.flags.table import FLAGS, Flag
from collector import __version__

NAME: Final = "hepagent"


def version_text() -> str:
    """Name and version, one line."""
    return f"{NAME} {__version__}"


def usage(program: str) -> str:
    """All flags by name, with kind, help and default."""
    lines = [f"Use {version_text()} like: {program} [option]"]
    lines += (_flag_text(FLAGS[name]) for name in sorted(FLAGS))
    return "\n".join(lines) + "\n"


def _flag_text(flag: Flag) -> str:
    head = f"  -{flag.name}{' ' * bool(flag.kind.value)}{flag.kind.value}"
    # One-letter switches have their help on the same line.
    between = "\t" if len(head) <= 4 else "\n    \t"
    default = f" (default {json.dumps(flag.default)})" if flag.default else ""
    note = f" No effect: {flag.unneeded}." if flag.unneeded else ""
    return f"{head}{between}{flag.help}{note}{default}"
