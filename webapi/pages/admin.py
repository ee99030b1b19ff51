# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages below ``/admin`` and ``/account``: one for each thing that is looked after."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from aiohttp import hdrs, web

from collector import trace_rule
from collector.tables import KINDS
from webapi.access.audit import Action
from webapi.access.principal import Principal, principal_of
from webapi.access.roles import NEEDS, Need, Role
from webapi.context import CONTEXT
from webapi.drops import REASONS
from webapi.pages.render import page
from webapi.trace import rules

HOME: Final = "/admin"
ACCOUNT: Final = "/account"
"""What everybody has of their own."""


class Section(NamedTuple):
    """A page of the administration."""

    name: str
    """In its path; with ``_`` that of its module."""
    title: str
    home: str = HOME

    @property
    def path(self) -> str:
        """Where it is; ``access.roles`` says for whom."""
        return f"{self.home}/{self.name}"


SECTIONS: Final = (
    Section("users", "Users"),
    Section("aliases", "Aliases"),
    Section("trace-rules", "Trace rules"),
    Section("tokens", "API tokens", ACCOUNT),
    Section("share-links", "Share links", ACCOUNT),
    Section("retention", "Retention"),
    Section("settings", "Settings"),
    Section("audit", "Audit log"),
)
_BY_PATH: Final = {section.path: section for section in SECTIONS}
_WORDS: Final[dict[str, Any]] = {
    "roles": list(Role),
    "actions": list(Action),
    "kinds": list(trace_rule.KINDS),
    "effects": trace_rule.ACTIONS,
    "states": rules.STATES,
    "kept": list(KINDS),
    "reasons": list(REASONS),
}
"""What the API takes where it takes one of a few."""


def sections_for(principal: Principal) -> list[Section]:
    """Those that somebody may see."""
    granted = {*principal.scopes, *([Need.IN_PERSON] if principal.in_person else [])}
    return [one for one in SECTIONS if NEEDS["GET", one.path] in granted]


async def go_first(request: web.Request) -> web.Response:
    """The first page that one may see: every right that leads here has one."""
    location = sections_for(principal_of(request))[0].path
    return web.Response(status=303, headers={hdrs.LOCATION: location})


async def show_section(request: web.Request) -> web.Response:
    """A page without rows: its module asks for them."""
    principal = principal_of(request)
    return page(
        *("admin", principal),
        section=_BY_PATH[request.path],
        sections=sections_for(principal),
        words=_WORDS,
        most=request.app[CONTEXT].settings.web.max_rows,
    )


ROUTES: Final = ((HOME, go_first), *((section.path, show_section) for section in SECTIONS))
"""With GET."""
