# SPDX-License-Identifier: GPL-2.0-or-later
"""What the compiled forms are built from, and whether one that is there is of these sources."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
_SHARED: Final = "collector.compiled"
"""The folder with the parts that every module may include."""


class Module(NamedTuple):
    """One compiled module, by its full name; the file of its source has the last part of it."""

    name: str

    @property
    def label(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def folder(self) -> Path:
        """Where source and result are."""
        return _folder(self.name.rpartition(".")[0])

    @property
    def main(self) -> Path:
        """The source that includes the others."""
        return self.folder / f"{self.label}.pyx"


HOP: Final = Module("collector.compiled.hop")
RECORDS: Final = Module("collector.compiled.records")
BURST: Final = Module("collector.compiled.burst")
FRAMES: Final = Module("agent.compiled.frames")
MODULES: Final = (HOP, RECORDS, BURST, FRAMES)


class Loaded(NamedTuple):
    """A compiled module, or why it is not used."""

    module: ModuleType | None
    reason: str
    """Empty when it is used."""


def load(module: Module) -> Loaded:
    """Import a compiled module if it is built from the sources that are here."""
    try:
        found = import_module(module.name)
    except ImportError as error:
        return Loaded(None, "it is not built" if error.name else f"it cannot be loaded: {error}")
    if fingerprint() != found.SOURCES and paths():
        return Loaded(None, "it was built from other sources")
    return Loaded(found, "")


def shared() -> Path:
    """The folder with the parts that every module may include."""
    return _folder(_SHARED)


def paths() -> list[Path]:
    """The sources; none where only what was built of them is installed."""
    folders = {shared(), *(module.folder for module in MODULES)}
    kinds = ("*.pyx", "*.pxi")
    return sorted(path for folder in folders for kind in kinds for path in folder.glob(kind))


def fingerprint() -> str:
    """Differs when any of the sources does."""
    digest = hashlib.sha256()
    for path in paths():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _folder(package: str) -> Path:
    return ROOT.joinpath(*package.split("."))
