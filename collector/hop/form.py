# SPDX-License-Identifier: GPL-2.0-or-later
"""Which form of the hop runs, and why: chosen once, when the hop is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from collector.compiled import sources
from collector.hop import plain
from collector.hop.batch import Batch, Options

Encode = Callable[[bytes, Batch, Options, int], int]

COMPILED: Final = "compiled"
PLAIN: Final = "plain"


class Form(NamedTuple):
    """One form of the hop."""

    name: str
    """``compiled`` or ``plain``."""
    reason: str
    """Why it is not the compiled one; empty when it is."""
    encode: Encode


def choose() -> Form:
    """The compiled form where it is built from the sources beside it, else the plain one."""
    try:
        from collector.compiled import hop  # noqa: PLC0415 (it may be missing)
    except ImportError as error:
        reason = "it is not built" if error.name else f"it cannot be loaded: {error}"
        return Form(PLAIN, reason, plain.encode)
    if sources.fingerprint() != hop.SOURCES and sources.paths():
        return Form(PLAIN, "it was built from other sources", plain.encode)
    return Form(COMPILED, "", hop.encode)


FORM: Final = choose()
