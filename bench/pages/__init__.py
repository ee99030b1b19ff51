# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody waits for in front of the pages, with many messages stored."""
