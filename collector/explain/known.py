# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a leg beside its messages: its row of ``call``, its quality, its links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from collector.quality.verdict import Verdict


class Known(NamedTuple):
    """Rows by column name; empty, or None, where nothing is known."""

    call: Mapping[str, Any]
    quality: Verdict | None
    links: Sequence[Mapping[str, Any]]
    complete: bool = True
    """Whether all messages of the leg that are stored are looked at."""

    @property
    def given_up(self) -> bool:
        """Whether nothing had come for so long that the call counts as timed out."""
        return self.call.get("state") == "timed_out"
