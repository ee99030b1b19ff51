# SPDX-License-Identifier: GPL-2.0-or-later
"""What the proxy's configuration defines."""

from __future__ import annotations

import functools

import KSR


@functools.cache
def definition(name: str) -> str:
    """What a ``#!define`` says, without its quotation marks; ``""`` for none."""
    value = KSR.pv.get(f"$def({name})")
    return "" if value is None else str(value).strip('"')
