# SPDX-License-Identifier: GPL-2.0-or-later
"""Which form of the hop runs, and why: chosen once, when the hop is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from collector.compiled import sources
from collector.correlation import encode
from collector.correlation.columns import Group
from collector.hop import plain
from collector.hop.batch import Batch, Options

Encode = Callable[[bytes, Batch, Options, int], int]

COMPILED: Final = "compiled"
PLAIN: Final = "plain"


class RowEncoder(Protocol):
    """Makes COPY rows of what is merged: see ``encode.RowEncoder``."""

    def row(
        self, filing: tuple[bytes, ...], slots: list[Any], given: Mapping[int, bytes] = ...
    ) -> bytes:
        """One COPY row."""

    def slot(self, number: int, value: Any) -> bytes:
        """One slot, encoded."""


class Form(NamedTuple):
    """One form of the hop, and of what writes the rows that correlation makes."""

    name: str
    """``compiled`` or ``plain``."""
    reason: str
    """Why it is not the compiled one; empty when it is."""
    encode: Encode
    row_encoder: Callable[[int, tuple[Group, ...]], RowEncoder]
    """Of the number of columns before those of the groups, and the groups."""


PLAIN_FORM: Final = Form(PLAIN, "", plain.encode, encode.RowEncoder)
"""Where it is chosen, it has a reason."""


def choose() -> Form:
    """The compiled form where it is built from the sources beside it, else the plain one."""
    found = sources.load(sources.HOP)
    if found.module is None:
        return PLAIN_FORM._replace(reason=found.reason)
    return Form(COMPILED, "", found.module.encode, found.module.RowEncoder)


FORM: Final = choose()
