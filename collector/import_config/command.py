# SPDX-License-Identifier: GPL-2.0-or-later
"""``import-config``: print the settings that do the same, or add them to a settings file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from collector import settings
from collector.errors import SettingsError
from collector.import_config import heplify_server, homer_app, sipcapture
from collector.import_config.imported import Imported
from collector.settings import write

_READERS: Final[Mapping[str, Callable[[str, str], Imported]]] = {
    ".toml": heplify_server.read,
    ".json": homer_app.read,
}

_LEFT_OUT: Final = (
    "secrets are left out; --into FILE takes them over, into a file for its owner only\n"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run`` looks at."""
    parser.add_argument(
        "file",
        type=Path,
        help="heplify-server.toml, webapp_config.json (homer-app) or kamailio.cfg (sipcapture)",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="add the settings, secrets included, to this settings file, which is made if it is "
        "not there; what it has already stays",
    )


def run(options: argparse.Namespace) -> int:
    """Returns 0, or 1 when the settings that were written do not pass check-config."""
    try:
        text = options.file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{options.file}: {error}"
        raise SettingsError(message) from error
    read = _READERS.get(options.file.suffix, sipcapture.read)
    found = read(text, options.file.name)
    if options.into:
        return _add(found, options.into)
    # homer-app's file is full of secrets of other services: none goes to a terminal or a log.
    hidden = read is homer_app.read
    sys.stdout.write(found.toml(secrets=not hidden))
    if hidden:
        sys.stderr.write(
            "secrets are left out; --into FILE takes them over, into a file for its owner only\n"
        )
    return 0


def _add(found: Imported, path: Path) -> int:
    if path.exists():
        before = path.read_text(encoding="utf-8")
        found.leave(write.present(before, str(path)), path.name)
        text = write.add(before, found.sections())
    else:
        text = found.toml()
    write.save(path, text)
    sys.stdout.write(found.report())
    try:
        settings.load(path)
    except SettingsError as error:
        sys.stderr.write(f"not good yet, mend it by hand:\n{error}\n")
        return 1
    return 0
