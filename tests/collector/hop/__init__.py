# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of ``collector/hop/``: what both forms of the hop do."""
