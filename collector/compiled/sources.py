# SPDX-License-Identifier: GPL-2.0-or-later
"""What the compiled form of the hop is built from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
MAIN: Final = HERE / "hop.pyx"
"""Includes the others."""


def paths() -> list[Path]:
    """The sources; none where only what was built of them is installed."""
    return sorted((*HERE.glob("*.pyx"), *HERE.glob("*.pxi")))


def fingerprint() -> str:
    """Differs when any of the sources does."""
    digest = hashlib.sha256()
    for path in paths():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
