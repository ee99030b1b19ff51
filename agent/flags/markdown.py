# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags as a page of the documentation: ``python -m agent.flags.markdown``."""

from __future__ import annotations

import sys
from typing import Final

from agent.flags.table import FLAGS, GROUPS, Flag, Kind

_HEAD: Final = """\
# Flags of hepagent

Made by `make docs` from `agent/flags/table.py`.

They are heplify's, with its defaults. `-name value`, `-name=value` and `--name` are the same; a
switch is on when it is there, and takes a value only behind `=`: `-dd=false`. The last of the same
name counts. What a value must be is checked at the start: a line that cannot be read ends with 2, a
value that cannot be used with 1, and a message that says where, what and what to do. What has no
effect is said once at the start. How to use them: [agent.md](agent.md).
"""


def flags_markdown() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, group in GROUPS.items():
        rows = "\n".join(map(_row, group))
        parts.append(f"## {title}\n\n| flag | default | |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(flag: Flag) -> str:
    kind = f" {flag.kind.value}" if flag.kind.value else ""
    default = "" if flag.default == "" or flag.kind is Kind.BOOL else f"`{flag.default}`"
    effect = f" **No effect:** {flag.unneeded}." if flag.unneeded else ""
    since = f" (heplify {flag.since})" if flag.since else ""
    text = _linked(f"{flag.help}{effect}{since}".replace("|", "\\|"))
    return f"| `-{flag.name}`{kind} | {default} | {text} |"


def _linked(text: str) -> str:
    """Names of flags in a sentence as code."""
    words = text.split(" ")
    return " ".join(_code(word) for word in words)


def _code(word: str) -> str:
    bare = word.rstrip(".,;:")
    is_code = (bare[:1] == "-" and bare[1:] in FLAGS) or bare.startswith("\\")
    return f"`{bare}`{word[len(bare) :]}" if is_code else word


if __name__ == "__main__":
    sys.stdout.write(flags_markdown())
