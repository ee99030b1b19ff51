# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON lines: one object of the API a line."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from psycopg.rows import DictRow

from webapi.export.form import Ending
from webapi.names.resolver import NO_NAMES, Resolver
from webapi.subject import Subject


class Lines:
    """Objects as the search answers them, without anything around them."""

    def __init__(self, subject: Subject, resolver: Resolver = NO_NAMES) -> None:
        self._subject = subject
        self._resolver = resolver

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """A line each."""
        show = self._subject.show
        names = self._resolver.names
        return b"".join(
            orjson.dumps(show(row) | names(row), option=orjson.OPT_APPEND_NEWLINE) for row in found
        )

    def end(self, ending: Ending | None) -> bytes:
        """A last line with ``error`` and ``next``, which no row has."""
        if not ending:
            return b""
        return orjson.dumps(ending.to_json(), option=orjson.OPT_APPEND_NEWLINE)
