# SPDX-License-Identifier: GPL-2.0-or-later
"""From the workers to the servers: a journal that is queue and spool in one, and its sender.

Workers append, one process sends. Every server of -hs is an output of the collector with a backlog
of its own: each gets every message, and one that is away holds up nobody.
"""
