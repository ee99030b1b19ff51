# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs beside PostgreSQL: relay of HEP, Loki, Prometheus metrics.

Each is an independent reader of the journal with hard links of its own to the segments
(``collector.journal.links``). All run in one process; none waits for another, none can hold up
reception or ingest, and one that is away keeps its own backlog on disk.
"""
