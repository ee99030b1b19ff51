# SPDX-License-Identifier: GPL-2.0-or-later
"""The query side: HTTP in, PostgreSQL read-only. Knows nothing of the journal."""
