# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths of this service that somebody else has named: never another host."""

from __future__ import annotations

import re
from typing import Final

_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*\Z")


def is_local(text: str, longest: int) -> bool:
    """Whether browsers take it for a path of the host that they are at.

    They take ``//host`` and ``/\\host`` for another host, and drop line ends and tabs before they
    look (WHATWG URL §4.4); so there is no backslash, blank or control character in it.
    """
    return len(text) <= longest and bool(_PATH.match(text))
