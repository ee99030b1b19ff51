# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of ``kemi/``, over a fake Kamailio."""
