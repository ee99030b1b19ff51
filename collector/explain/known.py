# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a leg beside its messages: its row of ``call``, its links, its audio streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Known(NamedTuple):
    """Rows by column name; empty where nothing is known."""

    call: Mapping[str, Any]
    streams: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, Any]]

    @property
    def given_up(self) -> bool:
        """Whether nothing had come for so long that the call counts as timed out."""
        return self.call.get("state") == "timed_out"
