# SPDX-License-Identifier: GPL-2.0-or-later
"""Captured messages and calls as files.

``frame``, ``pcap``, ``pcapng``, ``text``, ``lines`` and ``table`` make bytes of rows, a page at a
time; ``stream`` reads the pages and sends them. ``sipp``, ``ladder`` and ``svg`` draw one call.
"""
