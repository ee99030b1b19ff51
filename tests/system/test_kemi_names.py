# SPDX-License-Identifier: GPL-2.0-or-later
"""The names that the fake KSR allows are those of the real Kamailio."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import kemi_names

STUB = Path(__file__).resolve().parents[2] / "stubs" / "KSR.pyi"


@pytest.mark.parametrize("node", kemi_names.CONFIGS)
def test_the_stored_names_are_those_that_kamailio_exports(node: str, tmp_path: Path) -> None:
    """Asked anew; `python -m tests.kemi_names` writes the file again."""
    assert kemi_names.exported(node, tmp_path) == kemi_names.stored(node)


def test_every_name_in_the_stub_is_real() -> None:
    """What mypy lets kemi/ use exists; the fakes say where."""
    names = _stub_names()
    assert "pv.get" in names
    assert names <= kemi_names.stored("capture") | kemi_names.stored("edge")


def _stub_names() -> set[str]:
    names = set()
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{item.name}"
                for item in node.body
                if isinstance(item, ast.FunctionDef)
            }
    return names
