# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.audit``: what we depend on, as it is installed here, against PyPI's advisories.

Status 1 when there is a known vulnerability, 2 when PyPI tells nothing about some of it: what was
not looked up is not clean.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, Final, NamedTuple

from packaging.requirements import Requirement

PROJECT: Final = Path(__file__).parent.parent / "pyproject.toml"
PATIENCE_S: Final = 120
FOUND, UNKNOWN = 1, 2


class Verdict(NamedTuple):
    """What was found out."""

    vulnerable: list[str]
    """A line each."""
    unknown: list[str]
    """Names that PyPI did not tell about, or why it told nothing at all."""
    clean: int
    """So many packages without a known vulnerability."""


def installed() -> dict[str, Distribution]:
    """What the program needs to run, directly or not, by name."""
    wanted = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    found: dict[str, Distribution] = {}
    _add(found, map(Requirement, wanted), "")
    return found


def _add(found: dict[str, Distribution], requirements: Iterable[Requirement], extra: str) -> None:
    for one in requirements:
        if one.marker and not one.marker.evaluate({"extra": extra}):
            continue
        below = distribution(one.name)
        requires = [Requirement(line) for line in below.requires or ()]
        name = re.sub(r"[-_.]+", "-", one.name).lower()  # as PyPI does it
        if name not in found:
            found[name] = below
            _add(found, requires, "")
        for wanted in one.extras:
            _add(found, (r for r in requires if r.marker and "extra" in str(r.marker)), wanted)


def audit(packages: Mapping[str, str]) -> Verdict:
    """Names and versions, looked up by pip-audit at PyPI."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in packages.items())
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--requirement", file.name]
        command += ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return Verdict([], [f"PyPI did not answer within {PATIENCE_S} s"], 0)
    return read(ran.stdout, ran.stderr)


def read(output: str, errors: str = "") -> Verdict:
    """pip-audit's answer."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except json.JSONDecodeError:
        last = errors.strip().rpartition("\n")[2]
        return Verdict([], [f"pip-audit could not ask PyPI: {last}"], 0)
    vulnerable = [
        f"{one['name']} {one['version']}: {known['id']}, mended in {known['fix_versions']}"
        for one in found
        for known in one.get("vulns", ())
    ]
    unknown = [one["name"] for one in found if "skip_reason" in one]
    return Verdict(vulnerable, unknown, sum(one.get("vulns") == [] for one in found))


def main() -> int:
    """Returns the exit status."""
    verdict = audit({name: found.version for name, found in installed().items()})
    for line in verdict.vulnerable:
        print(line)  # noqa: T201
    if verdict.unknown:
        print(f"not audited: {', '.join(verdict.unknown)}")  # noqa: T201
    print(f"{verdict.clean} packages without a known vulnerability")  # noqa: T201
    return FOUND if verdict.vulnerable else UNKNOWN if verdict.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
