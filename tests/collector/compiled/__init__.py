# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of ``collector/compiled/``: that it does the same as the reference, and how it is built."""
