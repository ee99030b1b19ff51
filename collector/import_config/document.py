# SPDX-License-Identifier: GPL-2.0-or-later
"""A JSON settings file as a flat list of options, each of which has to be looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from collector.errors import SettingsError

_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
_COMMENTS: Final = ("help", "comment")
Value = str | int | float | bool | tuple[str, ...]


class Document:
    """Options by their dotted name, in lower case: names differ in case from file to file."""

    def __init__(self, text: str, name: str) -> None:
        """``name`` is that of the file. Raises SettingsError when it is no JSON object."""
        self._name = name
        try:
            found = json.loads(text)
        except ValueError as error:
            message = f"{name}: not JSON: {error}"
            raise SettingsError(message) from error
        if not isinstance(found, dict):
            message = f"{name}: is no JSON object"
            raise SettingsError(message)
        self._values: dict[str, Value] = {}
        self._names: dict[str, str] = {}
        self._used: set[str] = set()
        for option, value in _flat(found):
            key = option.lower()
            self._values[key] = value
            self._names[key] = option

    def __contains__(self, option: str) -> bool:
        """Whether it is in the file."""
        return option in self._values

    def children(self, section: str) -> list[str]:
        """The names one level below, in the order of the file."""
        start = f"{section}."
        below = (key.removeprefix(start) for key in self._values if key.startswith(start))
        return list(dict.fromkeys(name.partition(".")[0] for name in below))

    def is_section(self, option: str) -> bool:
        """Whether there are options below it."""
        return any(key.startswith(f"{option}.") for key in self._values)

    def text(self, option: str, default: str = "") -> str:
        """A text; numbers are their digits."""
        value = self._take(option, default)
        if isinstance(value, tuple | bool):
            raise self._wrong(option, value, "a text")
        return str(value).strip()

    def flag(self, option: str, *, default: bool = False) -> bool:
        """True or false, also as text."""
        value = self._take(option, default)
        found = _FLAGS.get(str(value).lower())
        if found is None:
            raise self._wrong(option, value, "true or false")
        return found

    def whole(self, option: str, default: int = 0) -> int:
        """A whole number that is not negative, also as text."""
        value = self._take(option, default)
        if isinstance(value, bool) or not str(value).isdecimal():
            raise self._wrong(option, value, "a whole number")
        return int(str(value))

    def words(self, option: str) -> tuple[str, ...]:
        """A list of texts; a single text is one at its spaces and commas."""
        value = self._take(option, ())
        if isinstance(value, tuple):
            return value
        return tuple(str(value).replace(",", " ").replace('"', " ").split())

    def drop(self, option: str) -> bool:
        """Whether there is such an option or section; nobody has to look at it any more."""
        found = [key for key in self._values if key == option or key.startswith(f"{option}.")]
        self._used.update(found)
        return bool(found)

    def left(self) -> list[tuple[str, str]]:
        """What nobody has asked for: as here, and as in the file."""
        return [(key, self._names[key]) for key in self._values if key not in self._used]

    def _take(self, option: str, default: Value) -> Value:
        self._used.add(option)
        return self._values.get(option, default)

    def _wrong(self, option: str, value: Value, kind: str) -> SettingsError:
        shown = self._names.get(option, option)
        # Never the value: a secret may be in the wrong place.
        return SettingsError(f"{self._name}: {shown}: is not {kind}, but {type(value).__name__}")


def _flat(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in table.items():
        option = before + name
        if name.startswith("_") or name.lower() in _COMMENTS:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{option}.")
        elif isinstance(value, list):
            yield option, tuple(map(str, value))
        elif value is not None:
            yield option, value
