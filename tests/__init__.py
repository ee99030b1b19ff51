# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests; the folders mirror the source, ``system/`` drives the real programs."""
