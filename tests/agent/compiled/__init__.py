# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of ``agent/compiled/``: it does the same as the plain parts, which are its reference."""
