# SPDX-License-Identifier: GPL-2.0-or-later
"""The routes below ``/api/v3``; ``access.roles`` says who may use them."""

from __future__ import annotations

from typing import Final

from webapi.homer import modules

ROUTES: Final = (
    ("/api/v3/database/node/list", modules.list_nodes),
    ("/api/v3/modules/status", modules.show_modules),
)
"""What can be asked, with GET."""
CHANGES: Final = ()
"""What is asked or changed with another method."""
