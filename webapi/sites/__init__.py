# SPDX-License-Identifier: GPL-2.0-or-later
"""Several databases as one: what is searched is asked of all sites at the same time.

A site is a database with capture nodes of its own. The one of ``database.reader_dsn`` is this site;
users, names, trace rules and the state of the nodes are always its own. A site that does not answer
is left out, and the answer says so.
"""
