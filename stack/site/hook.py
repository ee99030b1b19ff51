# SPDX-License-Identifier: GPL-2.0-or-later
"""What the site needs beside the pages of ``docs/``: files elsewhere that these link to.

The pages are written for the repository, where a link leads to a file. In the site a page of the
root is a page, a folder a list, any other file a text.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from properdocs.config.defaults import ProperDocsConfig
    from properdocs.structure.files import Files
    from properdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent.parent
ROOT_PAGES: Final = ("SECURITY.md", "THREAT_MODEL.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the root that are in the site; README.md has its place in ``docs/index.md``."""
STYLE: Final = "webapi/pages/assets/common/tokens.css"
"""The colours and fonts of the web pages, which are the site's too."""
_LINK: Final = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)]*)?\))")


def anchor(heading: str, _separator: str = "-") -> str:
    """The anchor of a heading, as GitHub makes it: the pages are read there, too."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def place(path: str) -> str:
    """Where a file or folder of the repository is in the site, as a source of the generator."""
    if path == "README.md":
        return "index.md"
    if path in ROOT_PAGES:
        return path
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir():
        return f"source/{path}/index.md"
    return f"source/{path}.txt"


def targets(path: str) -> set[str]:
    """The files and folders of the repository that one of its pages links to."""
    folder = PurePosixPath(path).parent
    found = _LINK.findall((ROOT / path).read_text())
    return {normpath(str(folder / target)) for _, target, _ in found}


def on_config(config: ProperDocsConfig) -> None:
    """Anchors as in the repository."""
    config.mdx_configs["toc"] = {"slugify": anchor}


def on_files(files: Files, config: ProperDocsConfig) -> Files:
    """Adds the pages of the root, and what any page links to."""
    from properdocs.structure.files import File, InclusionLevel  # noqa: PLC0415 - dev only

    pages = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + [*ROOT_PAGES]
    wanted = {target for page in pages for target in targets(page)} | set(ROOT_PAGES)
    for target in sorted(wanted - {"README.md"}):
        path = ROOT / target
        if target.startswith("docs/") or not path.exists():
            continue
        if path.is_dir():
            listed = sorted(one for one in path.iterdir() if one.is_file() and one.name[0] != ".")
            lines = [f"# {target}\n", *(f"- [{one.name}]({one.name}.txt)" for one in listed)]
            files.append(
                File.generated(
                    config,
                    place(target),
                    content="\n".join(lines),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
            )
            wanted_too = listed
        else:
            wanted_too = [path]
        for one in wanted_too:
            uri = place(one.relative_to(ROOT).as_posix())
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(one)))
    files.append(File.generated(config, "tokens.css", abs_src_path=str(ROOT / STYLE)))
    return files


def on_page_markdown(markdown: str, page: Page, config: ProperDocsConfig, files: Files) -> str:  # noqa: ARG001 - names are the generator's
    """Links lead to where things are in the site."""
    uri = page.file.src_uri
    if uri.startswith("source/"):
        return markdown
    folder = PurePosixPath("." if uri in ROOT_PAGES else "docs")

    def moved(match: re.Match[str]) -> str:
        target = normpath(str(folder / match[2]))
        return f"{match[1]}{place(target)}{match[3]}"

    return _LINK.sub(moved, markdown)
