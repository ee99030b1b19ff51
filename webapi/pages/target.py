# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a page leads to after sign-in: never to another host."""

from __future__ import annotations

from typing import Final

from webapi.local_path import is_local
from webapi.pages.navigation import HOME

PARAMETER: Final = "next"
_MAX: Final = 4000


def target_of(text: str) -> str:
    """``text`` if it is a page of this host, else the first one."""
    return text if is_local(text, _MAX) and not text.startswith("/api/") else HOME
