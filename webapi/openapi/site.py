# SPDX-License-Identifier: GPL-2.0-or-later
"""What answers say of sites."""

from __future__ import annotations

from typing import Final

from webapi.openapi.shape import STRING, of_type
from webapi.schema import Schema, array
from webapi.sites import reading
from webapi.sites.reading import Missing
from webapi.sites.sites import State

SITE: Final[dict[str, Schema]] = {
    reading.SITE: {**STRING, "description": "Whose row it is, when there are several sites."}
}
MISSING: Final[Schema] = {
    **array(of_type(Missing)),
    "description": "Sites that are not in the answer, or not with all, and why.",
}
STATES: Final = array(of_type(State))
