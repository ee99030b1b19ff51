# SPDX-License-Identifier: GPL-2.0-or-later
"""``-hin``: HEP from other agents in place of captured packets, passed on byte for byte.

``gate`` decides about each packet, ``datagrams`` and the collector's own listener receive them.
"""
