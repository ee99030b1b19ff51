# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts and style sheets: how they are served, and what is not in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

from webapi.pages.assets import FILES, FOLDER, VERSION, path_of

HOST: Final = {"Host": "127.0.0.1:9080"}
MARKUP: Final = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
    r"|setHTMLUnsafe|parseHTMLUnsafe|srcdoc|\beval\(|new Function|javascript:|\.cssText"
)
"""Every way from text to markup or to code."""
ASSETS: Final = sorted(path for path in FOLDER.rglob("*") if path.is_file())
MODULES: Final = [path for path in ASSETS if path.suffix == ".js"]
TEXTS: Final = [*ASSETS, *sorted((FOLDER.parent / "templates").iterdir())]
Client = TestClient[Request, Application]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_makes_markup_of_text(path: Path) -> None:
    """SIP text gets to the page as text nodes and attributes only."""
    assert not MARKUP.findall(path.read_text())


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    """Nothing comes from elsewhere; namespaces are names, not addresses."""
    text = path.read_text()
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"""(src|href)=["']//""", text)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_file_names_its_licence(path: Path) -> None:
    """As those of the other rooms."""
    assert "SPDX-License-Identifier: GPL-2.0-or-later" in path.read_text()[:400]


def test_no_template_has_code_or_style_within() -> None:
    """The policy would forbid it, and nothing is marked as safe."""
    for path in (FOLDER.parent / "templates").iterdir():
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|\|\s*safe", text), (
            path
        )


async def test_an_asset_is_kept_for_ever(client: Client) -> None:
    """Its name changes with it."""
    for name in FILES:
        answer = await client.get(path_of(name), headers=HOST)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.content_type in ("text/javascript", "text/css", "image/svg+xml")
        assert await answer.read() == FILES[name]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/0123456789abcdef/common/dom.js",
        f"/assets/{VERSION}/nothing.js",
        f"/assets/{VERSION}/dom.js",
        f"/assets/{VERSION}/common",
        f"/assets/{VERSION}/..%2Fassets.py",
        f"/assets/{VERSION}/%2e%2e/assets.py",
    ],
)
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    """Neither another version nor what lies beside."""
    assert (await client.get(path, headers=HOST)).status == 404
