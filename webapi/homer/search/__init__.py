# SPDX-License-Identifier: GPL-2.0-or-later
"""What HOMER's clients ask about captured packets: search, call window, export, import."""
