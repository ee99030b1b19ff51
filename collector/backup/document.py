# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of a backup, as values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from collector.errors import BackupError

FORM: Final = 1


class Head(msgspec.Struct, frozen=True, tag="head"):
    """First line: what made it."""

    form: int
    version: str
    schema: int
    """Number of the newest migration."""
    made_at: str


class SettingsFile(msgspec.Struct, frozen=True, tag="settings"):
    """The settings file, comments and secrets included."""

    name: str
    text: str


class Row(msgspec.Struct, frozen=True, tag="row"):
    """A row of a table, as PostgreSQL makes JSON of it."""

    table: str
    values: dict[str, msgspec.Raw]
    """By column, untouched: not every number of JSON is one of Python's."""


class Tail(msgspec.Struct, frozen=True, tag="tail"):
    """Last line: a file without it is not whole."""

    rows: int


Line = Head | SettingsFile | Row | Tail
_decode: Final = msgspec.json.Decoder(Line).decode


def write(file: BinaryIO, line: Line) -> None:
    """Add a line."""
    file.write(msgspec.json.encode(line) + b"\n")


def read(path: Path) -> Iterator[Head | SettingsFile | Row]:
    """The lines of a whole backup, one at a time. Raises BackupError and OSError."""
    rows = 0
    tail = None
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                line = _decode(text)
            except msgspec.DecodeError as error:
                message = f"{path}: line {number} is none of a backup: {error}"
                raise BackupError(message) from error
            if isinstance(line, Head) != (number == 1) or tail:
                message = f"{path}: line {number} is not where it belongs"
                raise BackupError(message)
            if isinstance(line, Head) and line.form != FORM:
                message = f"{path}: has form {line.form}; this version reads {FORM}"
                raise BackupError(message)
            if isinstance(line, Tail):
                tail = line
            else:
                rows += isinstance(line, Row)
                yield line
    if tail is None or tail.rows != rows:
        message = f"{path}: is not whole: it ends after {rows} rows"
        raise BackupError(message)
