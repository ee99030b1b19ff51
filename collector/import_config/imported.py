# SPDX-License-Identifier: GPL-2.0-or-later
"""What an import gives: settings, and what cannot be said with them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from collector.settings.endpoint import UDP, Endpoint, parse_endpoint
from collector.settings.model import describe
from collector.settings.quantity import readable
from collector.settings.show import masked, toml_value

_WIDTH: Final = 98
_LOCAL_UDP: Final = Endpoint(UDP, "127.0.0.1", 9060)

STOCK_SECRETS: Final = frozenset(
    (
        *("homer_password", "homerSeven", "sipcapture", "readonlypassword"),
        *("admin", "password", "influx_password", "influx_pass", "prom_pass", "loki_pass"),
        *("167f0db2-f83e-4baa-9736-d56064a5b415", "jkwh027yasj", "ABCDEFGHKLMN"),
    )
)
"""What its packages, images and seed rows come with, and everybody knows."""


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

    def listen(self, sockets: Iterable[tuple[str, str]], origin: str) -> None:
        """Take over sockets: each with its old option, as ``protocol:address:port``."""
        taken: list[Endpoint] = []
        for option, text in sockets:
            try:
                taken.append(parse_endpoint(text))
            except ValueError:
                self.remark(option, f"{text}: write it as protocol:address:port in hep.listen")
        if taken and not any(endpoint.protocol == UDP for endpoint in taken):
            taken.insert(0, _LOCAL_UDP)
            self.remark(origin, f"Kamailio needs a udp socket; {_LOCAL_UDP} is for this host only")
        if taken:
            self.set("hep.listen", tuple(dict.fromkeys(map(str, taken))), origin)

    def toml(self, *, secrets: bool = True) -> str:
        """A settings file; what equals the default is left out.

        Without ``secrets`` a line that has one is a comment, without its value.
        """
        lines = [f"# Made from {self.source}. kemiscope.sample.toml explains every setting."]
        for section, found in self.sections(secrets=secrets).items():
            lines += ["", f"[{section}]", *found]
        return "\n".join([*lines, *self._told()]) + "\n"

    def sections(self, *, secrets: bool = True) -> dict[str, list[str]]:
        """The lines of each section, with the old option above each setting."""
        found: dict[str, list[str]] = {}
        for setting in describe():
            value = self.values.get(setting.key, setting.default)
            if setting.key not in self.values or value == setting.default:
                continue
            line = f"{setting.name} = {toml_value(readable(value, setting.unit))}"
            if setting.secret and not secrets:
                line = f"# {setting.name} = {toml_value(masked(value, setting))}"
            found.setdefault(setting.section, []).extend((f"# {self.origins[setting.key]}", line))
        return found

    def report(self) -> str:
        """What became of every option, for people."""
        taken = [
            f"{self.origins[setting.key]} -> {setting.key}"
            for setting in describe()
            if setting.key in self.values
        ]
        return "\n".join([*taken, *self._told()]) + "\n"

    def leave(self, present: Iterable[str], where: str) -> None:
        """Take nothing over that is already set, in ``where``."""
        for key in present:
            if key in self.values:
                del self.values[key]
                self.remark(self.origins.pop(key), f"{key} is already set in {where}: it stays")

    def _told(self) -> list[str]:
        lines = ["", "# Not, or not exactly, taken over:"] if self.remarks else []
        for option, text in self.remarks:
            lines += textwrap.wrap(
                f"{option}: {text}", _WIDTH, initial_indent="# - ", subsequent_indent="#   "
            )
        return lines


def stock_secret(result: Imported, option: str, value: str) -> str:
    """The value, or nothing when it is one that everybody knows."""
    if value not in STOCK_SECRETS:
        return value
    result.remark(
        option,
        "is the well-known one that HOMER comes with: it is left out. Choose another, there and "
        "here",
    )
    return ""
