# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the values of the settings come from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from collector.settings.model import Setting

_NOTHING: Final[Mapping[str, Origin]] = {}


class Origin(StrEnum):
    """Of one value; in the order in which the first match wins."""

    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class Origins(NamedTuple):
    """Of all values."""

    path: Path | None = None
    """The settings file; None if there is none."""
    given: Mapping[str, Origin] = _NOTHING
    """By ``section.name``, of those that are no defaults."""

    def of(self, setting: Setting) -> Origin:
        """That of one setting."""
        return self.given.get(setting.key, Origin.DEFAULT)


ALL_DEFAULT: Final = Origins()
"""Of settings that come neither from a file nor from the environment."""
