# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector backup FILE`` and ``restore FILE``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from collector import settings
from collector.backup.document import SettingsFile
from collector.backup.restore import restore, settings_of
from collector.backup.save import new_file, save
from collector.errors import BackupError
from collector.pool import connect
from collector.settings import Settings, write


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run_backup`` looks at."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file, for its owner only")


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run_restore`` looks at."""
    parser.add_argument("file", type=Path, metavar="FILE", help="what `backup` has made")
    parser.add_argument(
        "--replace", action="store_true", help="all that users made here goes for it"
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="PATH",
        help="write the settings file of the backup there, which must not exist, and use it",
    )
    parser.add_argument("--settings-only", action="store_true", help="do not touch the database")


def run_backup(options: argparse.Namespace) -> int:
    """Returns 0. Raises OSError, KemiscopeError and psycopg.Error."""
    path = settings.find(options.config)
    loaded = settings.load_with_database(path)
    kept_file = SettingsFile(path.name, path.read_text(encoding="utf-8")) if path else None
    with new_file(options.file) as file:
        rows = asyncio.run(_save(loaded, kept_file, file))
    kept = f"{path} and " if path else "no settings file, "
    sys.stdout.write(f"{options.file}: {kept}{rows:,} rows\n")
    return 0


def run_restore(options: argparse.Namespace) -> int:
    """Returns 0. Raises OSError, KemiscopeError and psycopg.Error."""
    if options.settings:
        _write_settings(options.file, options.settings)
    elif options.settings_only:
        message = "--settings-only needs --settings PATH"
        raise BackupError(message)
    if options.settings_only:
        return 0
    loaded = settings.load_with_database(options.settings or settings.find(options.config))
    counts = asyncio.run(_restore(loaded, options.file, replace=options.replace))
    for table, count in counts.items():
        sys.stdout.write(f"{table}: {count:,} rows\n")
    sys.stdout.write("everybody has to sign in again\n")
    return 0


def _write_settings(file: Path, path: Path) -> None:
    found = settings_of(file)
    if found is None:
        message = f"{file}: has no settings file"
        raise BackupError(message)
    if path.exists():
        message = f"{path}: is there already, and was left as it is"
        raise BackupError(message)
    write.save(path, found.text)
    sys.stdout.write(f"{path}: written\n")


async def _save(loaded: Settings, settings_file: SettingsFile | None, file: BinaryIO) -> int:
    async with await connect(loaded) as connection:
        return await save(connection, settings_file, file)


async def _restore(loaded: Settings, path: Path, *, replace: bool) -> Counter[str]:
    async with await connect(loaded) as connection:
        return await restore(connection, path, replace=replace)
