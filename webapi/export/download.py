# SPDX-License-Identifier: GPL-2.0-or-later
"""The name under which a browser keeps an export (RFC 6266)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@-]+")
_NO_NAME: Final = re.compile(r"[\\/:*?\"<>|;%]+")
"""What some file system or shell takes for more than a part of a name."""
_MAX_NAME: Final = 100


def disposition(name: str, suffix: str) -> str:
    """The header's value: a plain name for all, and the true letters for those that read UTF-8.

    ``name`` may be anything, as a Call-ID is.
    """
    plain = _UNSAFE.sub("_", name)[:_MAX_NAME].lstrip(".") or "call"
    value = f'attachment; filename="{plain}.{suffix}"'
    printable = "".join(c if c.isprintable() else "_" for c in name)
    full = _NO_NAME.sub("_", printable)[:_MAX_NAME].lstrip(".") or "call"
    if full.isascii():
        return value
    # RFC 8187 §3.2; what cannot be UTF-8 is not in the name.
    return f"{value}; filename*=UTF-8''{quote(f'{full}.{suffix}', safe='', errors='replace')}"
