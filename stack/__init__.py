# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts put together on one machine: `make run`, `make demo`, system tests and benchmarks.

Starts its own PostgreSQL, Kamailio and web API on its own ports and in its own directory, and
leaves whatever else runs on the machine as it is.
"""
