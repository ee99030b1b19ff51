# SPDX-License-Identifier: GPL-2.0-or-later
"""What every kind of file that rows are streamed into has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from psycopg.rows import DictRow

from webapi.errors import ApiError


class Ending(NamedTuple):
    """Why a file ends before everything that was asked for is in it."""

    code: str
    """As in an error of the API, or ``export_limit``."""
    message: str
    cursor: str | None = None
    """Where the next export goes on, if one can."""

    @classmethod
    def of(cls, error: ApiError) -> Ending:
        """What ended an export whose first bytes are gone already."""
        return cls(error.code, str(error))

    @property
    def text(self) -> str:
        """One line for people."""
        more = f"; go on with cursor={self.cursor}" if self.cursor else ""
        return f"kemiscope: this export is not complete ({self.code}): {self.message}{more}"

    def to_json(self) -> dict[str, Any]:
        """The shape of every error, and the cursor."""
        error = {"code": self.code, "message": self.message, "field": None}
        return {"error": error, "next": self.cursor}


class Form(Protocol):
    """A file in the making. Each call returns the bytes that come next."""

    def begin(self) -> bytes:
        """What stands in front of the first row."""

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """Some more rows, in their order."""

    def end(self, ending: Ending | None) -> bytes:
        """What stands behind the last row; ``ending`` is told in the file itself."""
