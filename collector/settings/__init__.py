# SPDX-License-Identifier: GPL-2.0-or-later
"""Every setting, once: name, type, default, unit, rule, help and whether it is a secret.

The TOML file, the environment variables, the documented sample, ``check-config`` and
``dump-config`` are all derived from the classes in ``model``.

A value comes from, first match wins: the environment (``KEMISCOPE_<SECTION>_<NAME>``), the TOML
file, the default. Sizes may be written as ``16MiB``, times as ``250ms``, ``30s``, ``6h``, ``14d``.
"""

from collector.settings.load import (
    CONFIG_PATHS,
    CONFIG_VARIABLE,
    find,
    load,
    load_with_database,
    load_with_origins,
)
from collector.settings.model import Settings

__all__ = [
    "CONFIG_PATHS",
    "CONFIG_VARIABLE",
    "Settings",
    "find",
    "load",
    "load_with_database",
    "load_with_origins",
]
