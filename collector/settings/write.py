# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings into a file that people keep: what is there stays as it is."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from collector.errors import SettingsError

_HEADER: Final = r"^[ \t]*\[[ \t]*{}[ \t]*\][ \t]*(?:#[^\n]*)?$"
_OTHERS: Final = 0o007


def add(text: str, sections: Mapping[str, Sequence[str]]) -> str:
    """``text`` with lines added at the top of their section, which is made if it is not there.

    Raises SettingsError when the result is no TOML, as when a setting is there already.
    """
    for section, lines in sections.items():
        block = "\n".join(lines)
        header = re.search(_HEADER.format(re.escape(section)), text, re.MULTILINE)
        if header:
            text = f"{text[: header.end()]}\n{block}{text[header.end() :]}"
        else:
            text = f"{text.rstrip()}\n\n[{section}]\n{block}\n".lstrip()
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"the settings cannot be added to this file: {error}"
        raise SettingsError(message) from error
    return text


def present(text: str, name: str) -> set[str]:
    """The settings that a file has, as ``section.name``. Raises SettingsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{name}: not TOML: {error}"
        raise SettingsError(message) from error
    return {
        f"{section}.{setting}"
        for section, table in document.items()
        if isinstance(table, dict)
        for setting in table
    }


def save(path: Path, text: str) -> None:
    """Write a file that may hold secrets, in one step.

    A new one is for its owner only; one that is there keeps owner, group and mode, but what it
    lets others do. Raises OSError.
    """
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if target.exists():
                kept = target.stat()
                os.fchown(file.fileno(), kept.st_uid, kept.st_gid)
                os.fchmod(file.fileno(), kept.st_mode & 0o777 & ~_OTHERS)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
