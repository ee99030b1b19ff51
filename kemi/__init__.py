# SPDX-License-Identifier: GPL-2.0-or-later
"""Bindings to Kamailio's KEMI object ``KSR``; everything else is in ``collector``."""
