# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs over real journals, without Kamailio."""
