# SPDX-License-Identifier: GPL-2.0-or-later
"""The routes below ``/api/v3``; ``access.roles`` says who may use them."""

from __future__ import annotations

from typing import Final

from webapi.homer import modules
from webapi.homer.search import routes as search

ROUTES: Final = (
    *search.ROUTES,
    ("/api/v3/database/node/list", modules.list_nodes),
    ("/api/v3/modules/status", modules.show_modules),
)
"""What can be asked, with GET."""
CHANGES: Final = (*search.CHANGES,)
"""What is asked or changed with another method."""
