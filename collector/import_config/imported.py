# SPDX-License-Identifier: GPL-2.0-or-later
"""What an import gives: settings, and what cannot be said with them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any, Final

from collector.settings.model import describe
from collector.settings.quantity import readable
from collector.settings.show import toml_value

_WIDTH: Final = 98


@dataclass(slots=True)
class Imported:
    """Settings by ``section.name``, and remarks by the name of the old option."""

    source: str
    """What was read, for the first line of the file."""
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """Setting → the old option that it comes from."""
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def set(self, key: str, value: Any, origin: str) -> None:
        """Take over one setting."""
        self.values[key] = value
        self.origins[key] = origin

    def remark(self, option: str, text: str) -> None:
        """Say what became of an option that is not, or not exactly, taken over."""
        self.remarks.append((option, text))

    def toml(self) -> str:
        """A settings file; what equals the default is left out."""
        lines = [f"# Made from {self.source}. kemiscope.sample.toml explains every setting."]
        section = ""
        for setting in describe():
            value = self.values.get(setting.key, setting.default)
            if setting.key not in self.values or value == setting.default:
                continue
            if setting.section != section:
                section = setting.section
                lines += ["", f"[{section}]"]
            lines.append(f"# {self.origins[setting.key]}")
            shown = toml_value(readable(value, setting.unit))
            lines.append(f"{setting.name} = {shown}")
        if self.remarks:
            lines += ["", "# Not, or not exactly, taken over:"]
            for option, text in self.remarks:
                lines += textwrap.wrap(
                    f"{option}: {text}", _WIDTH, initial_indent="# - ", subsequent_indent="#   "
                )
        return "\n".join(lines) + "\n"
