# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape of the source tree: who may import whom, how long a file is, where its tests are."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
ROOMS: Final = ("collector", "kemi", "agent", "webapi", "stack", "bench")
ALLOWED: Final = {
    "collector": set[str](),
    "kemi": {"collector"},
    "agent": {"collector"},
    "webapi": {"collector", "agent"},
    "stack": {"collector"},
    "bench": {"collector", "agent", "stack"},
}
"""Room → the other rooms that it may import."""
LONGEST: Final = 400
"""Lines of a file; a longer one has two subjects."""


def _files(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found, f"{room} is empty"
    return found


def _compiled() -> list[Path]:
    """Cython's sources, which are nobody's modules."""
    found = sorted(
        path
        for room in ("collector", "agent")
        for kind in ("pyx", "pxi")
        for path in (ROOT / room).rglob(f"*.{kind}")
    )
    assert found, "nothing is compiled"
    return found


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """Above all, the collector runs without Kamailio."""
    forbidden = (set(ROOMS) | {"KSR", "tests"}) - ALLOWED[room] - {room}
    if room == "kemi":
        forbidden.remove("KSR")
    for path in _files(room):
        roots = {name.partition(".")[0] for name in _imports(path)}
        assert not roots & forbidden, f"{path.relative_to(ROOT)} imports {roots & forbidden}"


def test_modules_do_not_import_in_circles() -> None:
    """Each module can be read, tested and replaced with nothing but what is below it."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for room in ROOMS
        for path in _files(room)
    }
    below = {
        name: {*_with_packages(_modules_of(path, modules), modules)} - {*_with_packages([name], ())}
        for name, path in modules.items()
    }
    while below:
        leaves = {name for name, imports in below.items() if not imports & below.keys()}
        assert leaves, f"in circles: {sorted(below)}"
        below = {name: imports for name, imports in below.items() if name not in leaves}


def _with_packages(names: Iterable[str], modules: Collection[str]) -> Iterator[str]:
    """These and the packages around them, which Python imports before."""
    for name in names:
        parts = name.split(".")
        around = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        yield from (found for found in around if not modules or found in modules)


def _modules_of(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & modules.keys()
            yield from names or {node.module} & modules.keys()
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & modules.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_files_are_short(room: str) -> None:
    """So that a newcomer can read one at a sitting."""
    for path in (*_files(room), *_compiled()):
        lines = path.read_text().count("\n")
        assert lines <= LONGEST, f"{path.relative_to(ROOT)} has {lines} lines"


def test_tests_mirror_the_source() -> None:
    """A test folder stands for a source folder."""
    for path in _files("tests"):
        folder = path.parent.relative_to(ROOT / "tests")
        if folder.parts[:1] not in (("system",), ("fuzz",)):
            assert (ROOT / folder).is_dir(), f"no source folder for tests/{folder}"


def test_every_file_names_its_licence() -> None:
    """In its first line."""
    for room in (*ROOMS, "tests"):
        for path in (*_files(room), *_compiled()):
            text = path.read_text()
            assert not text or text.startswith("# SPDX-License-Identifier: GPL-2.0-or-later\n"), (
                path
            )
