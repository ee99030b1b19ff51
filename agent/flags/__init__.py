# SPDX-License-Identifier: GPL-2.0-or-later
"""heplify's command line: one list of all flags, Go's way to read them, and what they mean here."""
