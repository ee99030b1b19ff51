# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the man pages into a directory, made of what the programs say of themselves.

``python debian/manual.py DIRECTORY``, with the Python of an environment that has them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

_COMMAND: Final = re.compile(r"^    ([a-z][a-z-]+)(?: |$)", re.MULTILINE)
_WIDTH: Final = "78"
_FILES: Final = "/etc/kemiscope/kemiscope.toml    the settings, see kemiscope.toml(5)"


class Program(NamedTuple):
    """A page of section 1."""

    module: str
    about: str
    files: str = _FILES
    see: str = "kemiscope(1), kemiscope-web(1), hepagent(1), kemiscope.toml(5)"


PROGRAMS: Final = {
    "kemiscope": Program("collector", "operate the SIP capture node"),
    "kemiscope-web": Program("webapi", "the web API of kemiscope: users, traces, imports"),
    "hepagent": Program(
        "agent",
        "capture SIP and send it as HEP",
        "/etc/default/hepagent    HEPAGENT_FLAGS, the flags of the service",
    ),
}
_AGENT: Final = frozenset(("hepagent",))


def main(directory: Path) -> None:
    """Write the pages of all programs that this Python has."""
    for name, program in PROGRAMS.items():
        if find_spec(program.module):
            (directory / f"{name}.1").write_text(page(name, program))
    sample = _said("collector", "dump-config", "--sample")
    sections = {"SETTINGS": sample, "SEE ALSO": "kemiscope(1)"}
    text = _page("kemiscope.toml", 5, "settings of kemiscope", sections)
    (directory / "kemiscope.toml.5").write_text(text)


def page(name: str, program: Program) -> str:
    """The page of a program: its help, and that of each of its commands."""
    ask = "-help" if name in _AGENT else "--help"
    said = _named(_said(program.module, ask), name, program)
    sections = {"DESCRIPTION": said}
    if name not in _AGENT:
        for command in _COMMAND.findall(said):
            text = _said(program.module, command, ask)
            sections[f"COMMAND {command.upper()}"] = _named(text, name, program)
    sections |= {"FILES": program.files, "SEE ALSO": program.see}
    return _page(name, 1, program.about, sections)


def _named(text: str, name: str, program: Program) -> str:
    return text.replace(f"python -m {program.module}", name)


def _said(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": _WIDTH},
    )
    return done.stdout


def _page(name: str, section: int, about: str, sections: dict[str, str]) -> str:
    """Roff, with every text as it is."""
    lines = [f'.TH "{name}" {section}', ".SH NAME", rf"{name} \- {about}"]
    for title, text in sections.items():
        lines += [f'.SH "{title}"', ".nf", *map(_line, text.strip("\n").splitlines()), ".fi"]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    main(Path(sys.argv[1]))
