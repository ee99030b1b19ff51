# SPDX-License-Identifier: GPL-2.0-or-later
"""The site can be made, names every page, and asks nothing of other hosts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stack.service import ROOT
from stack.site.hook import anchor, place

CONFIG = ROOT / "stack" / "site" / "properdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make site` makes it."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "properdocs",
        "build",
        "--strict",
        "--config-file",
        str(CONFIG),
    ]
    done = subprocess.run(
        [*command, "--site-dir", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_stands_in_the_navigation() -> None:
    """So that a reader finds it; the README has its list of its own."""
    listed = re.findall(r": ([\w-]+\.md)$", CONFIG.read_text(), re.MULTILINE)
    readme = (ROOT / "README.md").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.name in listed, (
            f"docs/{page.name} is in no list: give it a line below the task that it is for in "
            "`nav` of stack/site/properdocs.yml, and in README.md, Read on"
        )
        linked = f"(docs/{page.name})" in readme or page.name in {"index.md", "flags.md"}
        assert linked, f"README.md, Read on, does not name docs/{page.name}"


def test_pages_and_what_they_link_to_are_there(site: Path) -> None:
    """Also the files outside of docs/, as texts."""
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / page.name).with_suffix(".html").exists(), page.name
    assert (site / "SECURITY.html").exists()
    assert (site / "source" / "kamailio.cfg.txt").read_text() == (ROOT / "kamailio.cfg").read_text()
    for made in site.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#]+)', made.read_text()):
            assert "//" in target or (site / target).exists(), f"{made.name}: {target}"


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    """No font, style, script or picture; a link that somebody follows may lead anywhere."""
    for made in site.rglob("*.html"):
        text = made.read_text()
        loaded = re.findall(
            r'<(?:link|script|img|iframe|source)\b[^>]*(?:href|src)="([^"]*)"', text
        )
        assert loaded
        assert not [one for one in loaded if "//" in one], made
        assert "<script" not in text
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(|@import", style.read_text()), style


@pytest.mark.parametrize("line", ["[away](nowhere.md)", "[away](api.md#nowhere)"])
def test_a_link_that_leads_nowhere_ends_it(tmp_path: Path, line: str) -> None:
    """With its name."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Begin\n\n{line}\n")
    (tmp_path / "docs" / "api.md").write_text("# API\n")
    (tmp_path / "theme").mkdir()
    (tmp_path / "theme" / "main.html").write_text("{{ page.content }}")
    text = CONFIG.read_text().partition("nav:")[0].replace("hooks: [hook.py]\n", "")
    text = text.replace("../../docs", "docs").replace("../../var/site", "site")
    (tmp_path / "properdocs.yml").write_text(text + "nav: [index.md, api.md]\n")
    command = [sys.executable, "-m", "properdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere" in done.stderr


def test_make_site_builds_strictly() -> None:
    """`--quiet` would switch that off."""
    (line,) = (one for one in (ROOT / "Makefile").read_text().splitlines() if "properdocs" in one)
    assert "--strict" in line
    assert "--quiet" not in line


def test_places_and_anchors() -> None:
    """A file of the repository has one place; anchors are those of the repository's own view."""
    assert place("docs/api.md") == "api.md"
    assert place("README.md") == "index.md"
    assert place("SECURITY.md") == "SECURITY.md"
    assert place("kamailio.cfg") == "source/kamailio.cfg.txt"
    assert place("bench/results") == "source/bench/results/index.md"
    assert anchor("`GET /api/v1/calls/{call_id}`") == "get-apiv1callscall_id"
