# SPDX-License-Identifier: GPL-2.0-or-later
"""Templates, and what every page has: its policy, its navigation, who looks at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from webapi.access import sessions
from webapi.access.principal import NOBODY, Principal
from webapi.pages.assets import path_of
from webapi.pages.navigation import places_for

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Only files of ours, and nothing within a page: text of a message that came to be markup after all
could neither run nor load anything."""
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["asset"] = path_of


def page(
    template: str, principal: Principal = NOBODY, *, status: int = 200, **values: Any
) -> web.Response:
    """A page as HTML; ``values`` are what its template needs besides."""
    text = _TEMPLATES.get_template(f"{template}.html").render(
        name=template,
        principal=principal,
        places=places_for(principal),
        csrf_token=sessions.csrf_token(principal.secret) if principal.in_person else "",
        **values,
    )
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)
