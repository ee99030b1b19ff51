# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace rules: from who asks for one to every proxy's htable.

``asked`` is what somebody wants; ``rules`` the table in PostgreSQL, the truth; ``book`` what it
says now; ``client`` speaks with a proxy; ``plan`` compares (a pure function); ``proxy`` compares
and mends one proxy again and again; ``tracing`` joins them for the application. ``handlers`` are
the requests, ``report`` what is shown, ``command`` is the form for the shell.
"""
