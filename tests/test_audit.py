# SPDX-License-Identifier: GPL-2.0-or-later
"""What we depend on: no known vulnerability, and licences that go with ours."""

from __future__ import annotations

import json
import re
from importlib.metadata import Distribution

import pytest

from tests.audit import audit, installed, read

LICENCES = re.compile(
    r"\b(MIT|MIT-0|BSD|BSD-[23]-Clause|Apache[- ]2\.0|Apache Software|ISC|PSF-2\.0|MPL-2\.0"
    r"|LGPL-3\.0-only|LGPL v3)\b"
)
"""Those that a program under the GPL 2 or later may be made with (as GPL 3 for some)."""


def test_no_dependency_has_a_known_vulnerability() -> None:
    """By PyPI's advisories; without them nothing is known, which is no pass."""
    verdict = audit({name: found.version for name, found in installed().items()})
    assert not verdict.vulnerable
    if verdict.unknown:
        pytest.skip(f"NOT AUDITED, PyPI does not tell: {', '.join(verdict.unknown)}")
    assert verdict.clean >= len(installed())


def test_what_pip_audit_says_is_understood() -> None:
    """Found, clean, not looked up, and no answer at all."""
    known = {"id": "PYSEC-2024-1", "fix_versions": ["2.0"]}
    answer = [
        {"name": "a", "version": "1.0", "vulns": [known]},
        {"name": "b", "version": "1.0", "vulns": []},
        {"name": "c", "skip_reason": "Dependency not found on PyPI"},
    ]
    verdict = read(json.dumps({"dependencies": answer}))
    assert verdict == (["a 1.0: PYSEC-2024-1, mended in ['2.0']"], ["c"], 1)
    assert read("", "Traceback\nConnectionError: no route").unknown == [
        "pip-audit could not ask PyPI: ConnectionError: no route"
    ]


def test_extras_and_what_is_below_are_looked_at_too() -> None:
    """The binary driver is where the C code is."""
    assert {"psycopg-binary", "multidict", "cffi"} <= set(installed())


@pytest.mark.parametrize("name", sorted(installed()))
def test_licences_go_with_ours(name: str) -> None:
    """As the package itself states it."""
    stated = _licence(installed()[name])
    assert LICENCES.search(stated), f"{name}: {stated}"


def _licence(found: Distribution) -> str:
    meta = found.metadata
    classifiers = [c for c in meta.get_all("Classifier") or () if c.startswith("License")]
    return " ".join([meta["License-Expression"] or "", meta["License"] or "", *classifiers])
