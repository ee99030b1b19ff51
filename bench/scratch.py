# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories for the length of a measurement, on the disk that is measured."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector.errors import KemiscopeError
from stack.service import ROOT

_PARENT: Final = ROOT / "var" / "bench"


@contextmanager
def directory() -> Iterator[Path]:
    """A fresh one that goes afterwards; that of a failed measurement stays, for its logs."""
    _PARENT.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=_PARENT))
    try:
        yield path
    except KemiscopeError:
        raise
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)
