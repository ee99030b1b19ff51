# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent needs of others: its package has that and no more."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

from tests.container import ROOT

_IMPORT_ALL: Final = """
import importlib, pkgutil, sys
from importlib.abc import MetaPathFinder

class Only(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"{name} is not in the package", name=name)

ALLOWED = {"agent", "collector", *sys.argv[1:]}
sys.meta_path.insert(0, Only())
import agent
for module in pkgutil.walk_packages(agent.__path__, "agent."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_its_package_has_what_it_imports() -> None:
    """Neither the database's driver nor a web server."""
    rules = (ROOT / "debian" / "rules").read_text()
    found = re.search(r"^AGENT_NEEDS := (.*)$", rules, re.MULTILINE)
    assert found
    names = [name.replace("-", "_") for name in found[1].split()]
    assert "psycopg" not in names
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
