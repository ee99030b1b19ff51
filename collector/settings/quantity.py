# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers with a unit: ``16MiB``, ``250ms``, ``14d``."""

from __future__ import annotations

import re
from typing import Any, Final

_BYTES: Final[dict[str, float]] = {
    "": 1,
    "B": 1,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_SECONDS: Final[dict[str, float]] = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
}
_QUANTITY: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*\Z")


def parse_quantity(text: str, unit: str) -> float:
    """A number with a unit of ``bytes`` or ``s``. Raises ValueError that names the units."""
    factors: dict[str, float] = _BYTES if unit == "bytes" else _SECONDS | {"": 1}
    found = _QUANTITY.match(text)
    suffix = found[2] if found else ""
    suffix = suffix.upper() if unit == "bytes" else suffix
    if not found or suffix not in factors:
        names = ", ".join(name for name in factors if name)
        message = f"{text!r} is not a number with one of the units {names}"
        raise ValueError(message)
    return float(found[1]) * factors[suffix]


def readable(value: Any, unit: str) -> Any:
    """A quantity in its largest whole unit; any other value as it is."""
    if unit == "bytes":
        steps = [(name, size) for name, size in _BYTES.items() if "I" in name]
    elif unit == "s":
        steps = [(name, size) for name, size in _SECONDS.items() if name != "w"]
    else:
        return value
    for name, size in reversed(steps):
        if value and value / size == int(value / size):
            return f"{int(value / size)}{name.replace('I', 'i')}"
    return value


def approximate(octets: float) -> str:
    """Bytes for people: ``3.2 GiB``."""
    for name, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(octets) >= size:
            return f"{octets / size:,.1f} {name}"
    return f"{octets:,.0f} bytes"
