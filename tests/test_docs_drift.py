# SPDX-License-Identifier: GPL-2.0-or-later
"""What the written pages name exists: commands, settings, paths, and what doctor says."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from collector.settings import Settings
from stack.service import ROOT
from webapi.app import CHANGES, ROUTES

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FILES = frozenset({"toml", "py", "cfg", "md", "so", "conf", "js", "css", "json", "pem", "key"})


@cache
def _help(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """`python -m collector X`, `kemiscope X`, `python -m webapi X` and `make X`."""
    text = page.read_text()
    for module, command in re.findall(r"python3? -m (collector|webapi) ([a-z][a-z-]+)", text):
        assert re.search(rf"^    {command}\b", _help(module), re.MULTILINE), f"{module} {command}"
    programs = re.findall(r"(?:^|`)kemiscope(-web)? ([a-z][a-z-]+)", text, re.MULTILINE)
    for web, command in programs:
        module = "webapi" if web else "collector"
        assert re.search(rf"^    {command}\b", _help(module), re.MULTILINE), f"{module} {command}"
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)", text, re.MULTILINE):
        assert line.split()[0] in targets, f"make {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_exist(page: Path) -> None:
    """`part.name` in backticks, where there is such a part."""
    settings = Settings()
    text = page.read_text()
    for part, name in re.findall(r"`([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)(?=[`\s])[^`]*`", text):
        if part in settings.__struct_fields__ and name not in _FILES:
            assert hasattr(getattr(settings, part), name), f"{part}.{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_the_api_exist(page: Path) -> None:
    """`/api/v1/…`, whatever stands in the place of a variable part; `push` is Loki's."""
    routes = [path for path, _ in ROUTES] + [one[1] for one in CHANGES]
    patterns = [re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in routes]
    text = page.read_text()
    for path in re.findall(r"/api/v1/(?!push\b)[\w/{}.-]*\w\}?", text):
        assert any(pattern.fullmatch(path) for pattern in patterns), path


def test_the_page_of_troubleshooting_says_what_doctor_says() -> None:
    """Each situation that is provoked in ``test_no_data`` stands there in doctor's own words."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    tree = ast.parse((ROOT / "tests" / "system" / "test_no_data.py").read_text())
    tests = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    provoked = [one for one in tests if one.name.startswith("test_row")]
    assert len(provoked) > 15
    for test in provoked:
        said = {re.sub(r"^\d+ ", "", text) for text in _said(test) if len(text) > 6}
        assert said, test.name
        assert any(text in page for text in said), f"{test.name}: none of {sorted(said)}"


def _said(test: ast.FunctionDef) -> Iterator[str]:
    """What a test expects of a report beside station and level, or of an error."""
    for node in ast.walk(test):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else called
            skip = {"says": 2, "wait_for": 3}.get(name)
            found = node.args[skip:] if skip else []
        else:
            found = [node.left] if isinstance(node, ast.Compare) else []
        for one in found:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value
