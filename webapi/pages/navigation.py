# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages that one can go to, and the right that each is for."""

from __future__ import annotations

from typing import Final, NamedTuple

from webapi.access.principal import Principal
from webapi.access.roles import Scope


class Place(NamedTuple):
    """A page of the navigation."""

    name: str
    """Of its template and its module."""
    path: str
    title: str
    need: Scope = Scope.READ


PLACES: Final = (
    Place("search", "/search", "Search"),
    Place("status", "/status", "Status"),
    Place("admin", "/admin", "Admin", Scope.TRACE),
)
HOME: Final = PLACES[0].path


def places_for(principal: Principal) -> tuple[Place, ...]:
    """Those that are of use to somebody."""
    return tuple(place for place in PLACES if place.need in principal.scopes)
