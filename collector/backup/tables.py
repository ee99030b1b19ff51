# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the database is kept in a backup."""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    *("web_secret", "web_user", "api_token", "alias", "saved_search", "share_link", "trace_rule"),
    *("homer_user", "homer_setting", "homer_user_setting", "homer_mapping", "homer_agent"),
)
"""What users and administrators made; a table comes after those that its rows refer to."""
NOT_KEPT: Final = frozenset({"web_session", "audit_log", "alias_version"})
"""What else the web API writes: sessions end with a restore, the log is of what was done here, and
the version counts the changes of this database."""
