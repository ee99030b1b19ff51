# SPDX-License-Identifier: GPL-2.0-or-later
"""Container files: what they name is there, and no password has a default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from collector.__main__ import main as collector
from collector.settings.show import markdown

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "stack" / "container"
COMPOSE: Final = (FOLDER / "compose.yaml").read_text()
DOCKERFILE: Final = (FOLDER / "Dockerfile").read_text()
SAMPLE: Final = (FOLDER / "sample.env").read_text()


def test_every_variable_of_a_container_is_a_setting() -> None:
    """And what compose itself fills in is in sample.env."""
    settings = set(re.findall(r"KEMISCOPE_[A-Z_]+", markdown()))
    passed = set(re.findall(r"^    (KEMISCOPE_[A-Z_]+):", COMPOSE, re.MULTILINE))
    assert len(passed) > 4
    assert passed <= settings
    filled = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    assert filled == set(re.findall(r"^#? ?([A-Z_]+)=", SAMPLE, re.MULTILINE))


def test_no_password_has_a_default() -> None:
    """Compose refuses to start without them, and the sample leaves them empty."""
    passwords = re.findall(r"\$\{(\w*PASSWORD)([^}]*)\}", COMPOSE)
    assert len({name for name, _ in passwords}) == 3
    assert {rest for _, rest in passwords} == {":?see sample.env"}
    assert not re.search(r"PASSWORD=.", SAMPLE)


def test_what_compose_builds_and_runs_is_there() -> None:
    """Stages of the Dockerfile, commands of the entrypoint and of ``kemiscope``."""
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.MULTILINE))
    assert set(re.findall(r"target: (\w+)", COMPOSE)) == stages - {"packages"} == {"node", "agent"}
    for path in re.findall(r"^COPY (?:--\S+ )?(stack/\S+)", DOCKERFILE, re.MULTILINE):
        assert (ROOT / path).is_file()
    entry = (FOLDER / "kemiscope-container").read_text()
    commands = set(re.findall(r'command: \["(\w[\w-]+)"', COMPOSE)) - {"postgres"}
    assert len(commands) == 3
    assert all(f"\n{command})" in entry or _is_command(command) for command in commands)


def _is_command(name: str) -> bool:
    try:
        collector([name, "--help"])
    except SystemExit as end:
        return end.code == 0
    return False
