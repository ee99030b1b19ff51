# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts, style sheets and drawings, served from memory under a name that changes with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from webapi.errors import ApiError

FOLDER: Final = Path(__file__).parent / "assets"
_PLACE: Final = "/assets/{version}/{name}"
ROUTE: Final = _PLACE.replace("{name}", "{name:.+}")
_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


def _read() -> Mapping[str, bytes]:
    return {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file()
    }


FILES: Final = _read()
"""All there are, by their path in the folder: what is not here cannot be asked for."""


def _version() -> str:
    """One for all of them, because modules name each other relative to themselves."""
    found = hashlib.sha256()
    for name, content in FILES.items():
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:16]


VERSION: Final = _version()


def path_of(name: str) -> str:
    """Where a page finds it. Raises KeyError when there is no such file."""
    FILES[name]
    return _PLACE.format(version=VERSION, name=name)


async def show_asset(request: web.Request) -> web.Response:
    """A file of this version; a browser asks for it once."""
    name = request.match_info["name"]
    content = FILES.get(name)
    if content is None or request.match_info["version"] != VERSION:
        raise ApiError(404, "not_found", "there is no such file in this version")
    return web.Response(
        body=content,
        content_type=_TYPES[Path(name).suffix],
        charset="utf-8",
        headers={"Cache-Control": _FOREVER},
    )
