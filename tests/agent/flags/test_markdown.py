# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of the flags."""

from __future__ import annotations

import re

from agent.flags.markdown import flags_markdown
from agent.flags.table import FLAGS, GROUPS


def test_every_flag_has_its_row() -> None:
    """Once, with its default, and what has no effect is marked."""
    rows = re.findall(
        r"^\| `-([\w-]+)`([\w ]*) \| (.*) \| (.*) \|$", flags_markdown(), re.MULTILINE
    )
    assert [row[0] for row in rows] == [name for group in GROUPS.values() for name, *_ in group]
    for name, kind, default, text in rows:
        flag = FLAGS[name]
        assert kind.strip() == flag.kind.value
        assert default.strip("`") == ("" if flag.default is False else str(flag.default))
        assert ("**No effect:**" in text) == bool(flag.unneeded)
        assert ("(heplify " in text) == bool(flag.since)
