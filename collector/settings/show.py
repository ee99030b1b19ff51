# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings as text: those in force, and the sample file that explains each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from collector.settings.change import RELOADED, SELECTING
from collector.settings.model import ENV_PREFIX, Setting, Settings, describe
from collector.settings.quantity import readable
from collector.settings.sites import parse_places

_PASSWORDS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})

_PAGE: Final = """\
# Settings

Made by `make docs` from `collector/settings/`.

A value comes from, first match wins: the environment variable, the TOML file, the default. The
file is the one that `KEMISCOPE_CONFIG` names, else `kemiscope.toml` in the working directory, else
`/etc/kemiscope/kemiscope.toml`. Sizes may be written as `16MiB`, times as `250ms`, `30s`, `6h`,
`14d`. Lists in the environment are separated by commas, or written as in TOML: `["a", "b,c"]`.

`python -m collector check-config` says what is wrong, with the name of the setting and the rule;
`python -m collector dump-config` prints what is in force, passwords masked.
"""


_RELOAD: Final = (
    "`python -m collector reload` puts changes of {reloaded} into force without losing a packet, "
    "and says which other changes wait for a restart. Outputs go by {selecting} as they were when "
    "they started. TLS certificates are read again by themselves."
)
_WIDTH: Final = 100


def shown(settings: Settings, setting: Setting) -> Any:
    """A setting's value as it may be shown: the passwords in a DSN are masked."""
    return masked(getattr(getattr(settings, setting.section), setting.name), setting)


def masked(value: Any, setting: Setting) -> Any:
    """A value of a setting as it may be shown."""
    if not setting.secret or not value:
        return value
    if setting.key == "sites.databases":
        return tuple(f"{place.name}={_masked_dsn(place.dsn)}" for place in parse_places(value))
    if isinstance(value, tuple):
        # Of other lists an entry may be all secret, and have a colon in it.
        named = setting.key == "senders.passwords"
        return tuple(
            f"{entry.partition(':')[0]}:***" if named and ":" in entry else "***" for entry in value
        )
    return _masked_dsn(value) if setting.name.endswith("dsn") else "***"


def _masked_dsn(value: str) -> str:
    try:
        parts = conninfo_to_dict(value)
    except ProgrammingError:
        return "***"
    hidden = {name: "***" for name in parts if name in _PASSWORDS}
    return make_conninfo("", **parts | hidden)


def to_toml(settings: Settings) -> str:
    """The settings in force as TOML, passwords masked."""
    lines: list[str] = []
    for section, group in groupby(describe(), lambda setting: setting.section):
        lines.append(f"\n[{section}]")
        lines += [f"{item.name} = {toml_value(shown(settings, item))}" for item in group]
    return "\n".join(lines).lstrip() + "\n"


def sample() -> str:
    """A settings file in which every setting is explained and commented out."""
    lines = [
        "# Settings of kemiscope. A line that is commented out shows the default.",
        f"# Each can also come from the environment, e.g. {ENV_PREFIX}HEP_WORKERS=4.",
    ]
    for section, group in groupby(describe(), lambda setting: setting.section):
        lines.append(f"\n[{section}]")
        for setting in group:
            lines += ("", *_comment(setting.help + range_of(setting)))
            lines.append(f"# {setting.name} = {toml_value(default_of(setting))}")
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The page docs/settings.md."""
    names = {"reloaded": _listed(RELOADED), "selecting": _listed(SELECTING)}
    lines = [*_PAGE.splitlines(), "", *textwrap.wrap(_RELOAD.format(**names), _WIDTH)]
    for section, group in groupby(describe(), lambda setting: setting.section):
        lines += ["", f"## [{section}]", ""]
        for setting in group:
            default = toml_value(default_of(setting))
            lines += [
                f"**`{setting.name}`** = `{default}`{range_of(setting)} · `{setting.variable}`  ",
                setting.help,
                "",
            ]
        lines.pop()
    return "\n".join(lines) + "\n"


def default_of(setting: Setting) -> Any:
    """The default as documentation shows it."""
    if setting.key == "node.name":
        return "(name of the host)"
    return readable(setting.default, setting.unit)


def range_of(setting: Setting) -> str:
    """`` (from … to …)``, or nothing when there is no limit."""
    if setting.low is None:
        return ""
    low = readable(setting.low, setting.unit)
    if setting.high is None:
        return f" (at least {low})" if low else ""
    return f" ({low} … {readable(setting.high, setting.unit)})"


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _listed(names: Sequence[str]) -> str:
    *most, last = (f"`{name}`" for name in names)
    return f"{', '.join(most)} and {last}"


def _comment(text: str, width: int = 95) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, width)]
