# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may use the web API, and for what: users, sessions, API tokens, and the log of what they did.

``middleware`` looks at every request before its handler does; ``roles`` has the one table that says
what a route needs.
"""
