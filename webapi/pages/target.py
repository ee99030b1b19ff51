# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a page leads to after sign-in: never to another host."""

from __future__ import annotations

from typing import Final

from webapi.pages.navigation import HOME

PARAMETER: Final = "next"
_MAX: Final = 4000


def target_of(text: str) -> str:
    """``text`` if it is a path on this host that browsers take for one, else the first page.

    Browsers take ``//host`` and ``/\\host`` for another host (WHATWG URL §4.4), and drop line
    ends and tabs before they look.
    """
    is_path = text.startswith("/") and not text.startswith(("//", "/api/"))
    if is_path and text.isprintable() and "\\" not in text and len(text) <= _MAX:
        return text
    return HOME
