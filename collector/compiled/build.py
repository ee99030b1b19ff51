# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector.compiled.build [--if-changed] [--sanitize] [directory]``: compile.

Needs Cython, a C compiler and Python's headers. What is made lies beside the sources, or in the
directory; with ``--if-changed`` what is there stays if it is of these sources.
Status 1, with the reason, when it cannot be built. Imports nothing but the standard
library, so that a package can be built where the program's own libraries are not installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from collector.compiled import sources
from collector.compiled.sources import HOP, MODULES, Module
from collector.errors import KemiscopeError

_SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
_OPTIMIZED: Final = ("-O3", "-DNDEBUG", "-g0")
SANITIZED: Final = (
    *("-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"),
    "-fsanitize=address,undefined",
)
"""Memory errors and undefined behaviour end the process that meets them."""
_WARNINGS: Final = ("-Wall", "-Wextra", "-Werror", "-Wno-unused", "-Wno-missing-field-initializers")
_ZLIB: Final = "-l:libz.so.1"
"""The library itself, which Python needs too: its headers and link come with another package."""


class BuildError(KemiscopeError):
    """The compiled form cannot be built here."""


def path(module: Module = HOP, directory: Path | None = None) -> Path:
    """Where a compiled module is, or would be: beside its source, or in the directory."""
    return (directory or module.folder) / f"{module.label}{_SUFFIX}"


def is_current(made: Path) -> bool:
    """Whether it is there, and built of the sources as they are."""
    return made.exists() and sources.fingerprint().encode() in made.read_bytes()


def build(module: Module = HOP, directory: Path | None = None, *, sanitize: bool = False) -> Path:
    """Compile a module; returns the file, which is where ``path`` says.

    Raises BuildError when something is missing or does not compile.
    """
    compiler = os.environ.get("CC") or shutil.which("cc")
    include = Path(sysconfig.get_path("include"))
    if not compiler:
        message = "there is no C compiler: install gcc"
        raise BuildError(message)
    if not (include / "Python.h").exists():
        message = f"{include}/Python.h is missing: install python3-dev"
        raise BuildError(message)
    made = path(module, directory)
    with tempfile.TemporaryDirectory() as scratch:
        code, library = Path(scratch, f"{module.label}.c"), Path(scratch, made.name)
        _run(
            *(sys.executable, "-m", "cython", "-3", "-I", str(sources.shared())),
            *("-o", str(code), str(module.main)),
        )
        _run(
            *(compiler, "-shared", "-fPIC", "-fwrapv", "-fno-strict-aliasing", *_WARNINGS),
            *(SANITIZED if sanitize else _OPTIMIZED),
            *(f"-I{include}", f'-DFINGERPRINT="{sources.fingerprint()}"'),
            *("-o", str(library), str(code), _ZLIB),
        )
        # In one step, so that no process loads half a file.
        moving = made.with_name(f".{made.name}.{os.getpid()}")
        shutil.copyfile(library, moving)
        moving.replace(made)
    return made


def _run(*command: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 (fixed commands)
            command, check=False, capture_output=True, text=True
        )
    except OSError as error:
        raise BuildError(str(error)) from error
    if done.returncode:
        message = f"{command[0]}: {(done.stderr or done.stdout).strip()[-2000:]}"
        raise BuildError(message)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m collector.compiled.build", description=__doc__)
    parser.add_argument("--sanitize", action="store_true", help="with checks of every access")
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--if-changed", action="store_true", help="not what is built already")
    chosen = parser.parse_args(arguments)
    for module in MODULES:
        made = path(module, chosen.directory)
        if chosen.if_changed and is_current(made):
            continue
        try:
            made = build(module, chosen.directory, sanitize=chosen.sanitize)
        except BuildError as error:
            sys.stderr.write(f"kemiscope: {module.name} is not compiled: {error}\n")
            return 1
        sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
