# SPDX-License-Identifier: GPL-2.0-or-later
"""-help, -version and errors: what is printed where, and the exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent.flags.command import read_command
from agent.flags.help import usage
from agent.flags.options import Options
from agent.flags.table import FLAGS
from collector import __version__


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed."""
    options = read_command(["hepagent", "-i", "lo", "-pr", "5060-5090"])
    assert isinstance(options, Options)
    assert options.i == "lo"
    assert capsys.readouterr() == ("", "")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Name and version on stdout; no other flag is looked into."""
    assert read_command(["hepagent", "-hs", "nonsense", "-version"]) == 0
    assert capsys.readouterr() == (f"hepagent {__version__}\n", "")


@pytest.mark.parametrize("text", ["-h", "-help", "--help"])
def test_help(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The usage on stderr, and all is well."""
    assert read_command(["/usr/bin/hepagent", text]) == 0
    assert capsys.readouterr() == ("", usage("/usr/bin/hepagent"))


def test_a_line_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The error, then the usage; 2, as Go's programs exit."""
    assert read_command(["hepagent", "-nosuch"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "flag provided but not defined: -nosuch\n" + usage("hepagent")


def test_a_value_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """The error alone; 1, as heplify exits."""
    assert read_command(["hepagent", "-hs", "homer"]) == 1
    assert capsys.readouterr() == (
        "",
        "hepagent: -hs: 'homer' has no port; write homer:9060\n",
    )


def test_the_form_of_the_usage() -> None:
    """Go's: sorted, kind behind the name, defaults behind the help, short switches on one line."""
    lines = usage("hepagent").split("\n")
    assert lines[0] == f"Use hepagent {__version__} like: hepagent [option]"
    names = [line.split()[0] for line in lines if line.startswith("  -")]
    assert names == sorted(f"-{name}" for name in FLAGS)
    assert "  -hi uint" in lines
    assert "  -vlan" in lines
    assert f"  -e\t{FLAGS['e'].help}" in lines
    assert f'    \t{FLAGS["i"].help} (default "any")' in lines
    assert f"    \t{FLAGS['b'].help} (default 32)" in lines
    assert f"    \t{FLAGS['hn'].help}" in lines, "an empty default is not shown"


def test_reading_flags_needs_no_database() -> None:
    """A host with the agent has neither its driver nor a web server."""
    code = "import sys, agent.flags.command; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"psycopg", "aiohttp", "collector.store"} & {*done.stdout.split()}
