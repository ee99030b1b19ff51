# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Kamailio, PostgreSQL, SIPp and tshark, on free ports, in directories of their own."""
